"""fer_ray.runs.gate: who passes, who does not, and what is said of it."""

import json
from typing import Any

import numpy as np
import pytest
from scipy.stats import binom
from sklearn.metrics import f1_score

from fer_ray.faces.emotions import EMOTIONS
from fer_ray.promotion import GateConfig
from fer_ray.runs.gate import Rule, judge, judge_first
from fer_ray.runs.predictions import Predictions
from tests.runs.gating import KINDS, pair


def says(labels: Any, named: Any, sure: float = 0.9) -> Predictions:
    """What a model says that is as sure of each of its answers."""
    labels, named = np.asarray(labels, np.int8), np.asarray(named, int)
    probabilities = np.full((len(labels), 7), (1 - sure) / 6, np.float32)
    probabilities[np.arange(len(labels)), named] = sure
    ids = [f"{number:04d}" for number in range(len(labels))]
    return Predictions(ids, labels, probabilities, np.zeros((len(labels), 10), np.uint8))


def answers(labels: np.ndarray, wrong: dict[int, int]) -> np.ndarray:
    """Right ones, but for the first so many faces of each label."""
    named = labels.copy()
    for label, count in wrong.items():
        named[np.flatnonzero(labels == label)[:count]] = (label + 1) % 7
    return named


LABELS = np.repeat(np.arange(7), 200)
TWICE = dict.fromkeys(range(7), 40)  # of 200 wrong


def rules(verdict: Any) -> dict[str, Rule]:
    return {rule.name: rule for rule in verdict.rules}


def judged(ours: dict[int, int], theirs: dict[int, int], **settings: Any) -> dict[str, Rule]:
    models = (says(LABELS, answers(LABELS, wrong)) for wrong in (ours, theirs))
    return rules(judge(*models, GateConfig(**{"calibration_rise": 1, **settings})))


def test_a_better_challenger_passes_every_rule() -> None:
    verdict = judge(
        says(LABELS, answers(LABELS, dict.fromkeys(range(7), 20))),
        says(LABELS, answers(LABELS, TWICE)),
        GateConfig(),
    )
    assert verdict.passed
    assert verdict.refusal is None
    assert [rule.name for rule in verdict.rules] == ["faces", "gain", "recall", "calibration"]
    assert json.loads(json.dumps(verdict.document(), allow_nan=False))["passed"]


def test_the_same_answers_are_no_gain() -> None:
    gain = judged(TWICE, TWICE)["gain"]
    assert (gain.passed, gain.value) == (False, 0.0)
    assert "is +0.0000, at least +0.0000 with a confidence of 0.96; gate.min_gain" in gain.told
    assert judged(TWICE, TWICE, min_gain=-1e-9)["gain"].passed


def macro_f1(labels: np.ndarray, named: np.ndarray) -> float:
    """scikit-learn's, whose checks take a hundred times as long."""
    count = [np.bincount(one, minlength=7) for one in (labels[labels == named], labels, named)]
    return float(np.mean(2 * count[0] / np.maximum(count[1] + count[2], 1)))


def test_the_lower_end_is_that_of_faces_drawn_in_pairs() -> None:
    """Brute force: faces with both answers, drawn with replacement."""
    ours, theirs = pair(0.02, 3, faces=700)
    theirs_f1 = f1_score(theirs.labels, theirs.named, average="macro", labels=range(7))
    assert macro_f1(theirs.labels, theirs.named) == pytest.approx(theirs_f1)
    rng = np.random.default_rng(0)
    gains = []
    for _ in range(1_500):
        some = rng.integers(len(ours.labels), size=len(ours.labels))
        f1 = [macro_f1(one.labels[some], one.named[some]) for one in (ours, theirs)]
        gains.append(f1[0] - f1[1])
    value = rules(judge(ours, theirs, GateConfig(confidence=0.9)))["gain"].value
    assert value == pytest.approx(np.quantile(gains, 0.1), abs=4 * np.std(gains) / 1_500**0.5)
    surer = rules(judge(ours, theirs, GateConfig(confidence=0.99)))["gain"].value
    assert value is not None
    assert surer is not None
    assert surer < value


def test_one_emotion_that_is_lost_is_enough_to_be_refused() -> None:
    better = dict.fromkeys(range(7), 10)
    found = judged(better | {2: 51}, TWICE)  # 11 more of 200 are wrong: .055
    assert found["gain"].passed
    assert not found["recall"].passed
    assert found["recall"].value == pytest.approx(0.055)
    told = "fear changed for the worst: its recall went from 0.800 to 0.745 (-0.055)"
    assert told in found["recall"].told
    assert judged(better | {2: 49}, TWICE)["recall"].passed


@pytest.mark.parametrize("right", [180, 160, 140, 100])
def test_a_recall_may_be_lower_by_just_what_is_allowed(right: int) -> None:
    for more, passed in ((10, True), (11, False)):
        found = judged({2: 200 - right + more}, {2: 200 - right})["recall"]
        assert (found.passed, found.value) == (passed, more / 200)


def test_the_same_faces_in_another_order_are_not_compared() -> None:
    ours = says(LABELS, LABELS)
    turned = Predictions(ours.ids[::-1], ours.labels, ours.probabilities, ours.votes)
    with pytest.raises(ValueError, match="must be scored on the same faces"):
        judge(ours, turned, GateConfig())


def test_the_first_champion_that_only_equals_the_floor_is_refused() -> None:
    verdict = judge_first(says(np.full(600, 3), np.full(600, 3)), GateConfig())
    assert rules(verdict)["floor"].value == rules(verdict)["floor"].limit
    assert not verdict.passed


def test_an_emotion_with_few_faces_is_told_of_and_not_judged() -> None:
    labels = np.concatenate([LABELS, np.full(60, 1)])[200 - 40 :]  # 40 of anger
    better = dict.fromkeys(range(1, 7), 10)
    ours, theirs = (answers(labels, wrong) for wrong in (better | {0: 40}, TWICE | {0: 0}))
    few = judge(says(labels, ours), says(labels, theirs), GateConfig(class_min_support=41))
    enough = judge(says(labels, ours), says(labels, theirs), GateConfig(class_min_support=40))
    assert rules(few)["recall"].passed
    assert not rules(enough)["recall"].passed
    assert few.details["recall_by_class"]["anger"] == {
        "support": 40,
        "challenger": 0.0,
        "champion": 1.0,
        "judged": False,
    }


def test_a_challenger_that_is_too_sure_is_refused() -> None:
    right = answers(LABELS, TWICE)  # four of five
    ours, theirs = says(LABELS, right, sure=0.86), says(LABELS, right, sure=0.82)
    found = rules(judge(ours, theirs, GateConfig(calibration_rise=0.03)))["calibration"]
    assert found.value == pytest.approx(0.04, abs=1e-5)
    assert not found.passed
    assert rules(judge(ours, theirs, GateConfig(calibration_rise=0.05)))["calibration"].passed
    assert rules(judge(theirs, ours, GateConfig(calibration_rise=0)))["calibration"].passed


@pytest.mark.parametrize(("least", "passed"), [(1_400, True), (1_401, False)])
def test_there_must_be_enough_faces(least: int, passed: bool) -> None:
    assert judged({}, TWICE, min_faces=least)["faces"].passed is passed


def test_a_refusal_names_each_rule_that_failed_and_no_other() -> None:
    verdict = judge(
        says(LABELS, answers(LABELS, TWICE)), says(LABELS, LABELS), GateConfig(min_faces=9_999)
    )
    assert verdict.refusal is not None
    assert (
        "there are 1,400 test faces; gate.min_faces asks for 9,999 (missed by 8,599)"
        in verdict.refusal
    )
    assert "the gain in macro-F1 is -0.2000" in verdict.refusal
    assert "its recall went from 1.000 to 0.800 (-0.200)" in verdict.refusal
    failed = [rule.name for rule in verdict.rules if not rule.passed]
    assert failed == ["faces", "gain", "recall"]
    assert verdict.refusal.count("missed by") == 3


def test_models_that_saw_other_faces_are_not_compared() -> None:
    ours, theirs = says(LABELS, LABELS), says(LABELS[::-1].copy(), LABELS)
    with pytest.raises(ValueError, match="must be scored on the same faces"):
        judge(ours, theirs, GateConfig())
    fewer = says(LABELS[1:], LABELS[1:])
    with pytest.raises(ValueError, match="got 1400 and 1399 that differ"):
        judge(ours, fewer, GateConfig())


def test_the_first_champion_must_know_more_than_the_commonest_emotion() -> None:
    happy = np.full(len(LABELS), 3)
    floor = rules(judge_first(says(LABELS, happy), GateConfig()))["floor"]
    assert not floor.passed
    assert floor.limit == pytest.approx(f1_score(LABELS, happy * 0, average="macro"))
    verdict = judge_first(says(LABELS, answers(LABELS, TWICE)), GateConfig())
    assert verdict.passed
    assert not any(one["judged"] for one in verdict.details["recall_by_class"].values())


def test_what_gives_no_probabilities_is_not_judged() -> None:
    ours, theirs = says(LABELS, LABELS), says(LABELS, LABELS)
    ours.probabilities[5] = np.nan
    for judging in (
        lambda: judge(ours, theirs, GateConfig()),
        lambda: judge(theirs, ours, GateConfig()),
        lambda: judge_first(ours, GateConfig()),
    ):
        with pytest.raises(ValueError, match="must give probabilities, got NaN or infinity"):
            judging()


def test_no_faces_at_all_are_refused_without_more() -> None:
    none = says([], [])
    for verdict in (judge(none, none, GateConfig()), judge_first(none, GateConfig())):
        assert [rule.passed for rule in verdict.rules] == [False]
        assert set(verdict.details["recall_by_class"]) == set(EMOTIONS)


def test_the_same_seed_is_the_same_verdict() -> None:
    ours, theirs = pair(0.01, 1, faces=700)
    first, again, other = (judge(ours, theirs, GateConfig(), seed).document() for seed in (4, 4, 5))
    assert first == again
    assert first["details"]["lower_end"] != other["details"]["lower_end"]


def test_equal_models_are_promoted_in_one_case_of_twenty_at_most() -> None:
    """Of 80 pairs; more than the 99.9% quantile of that would not be luck."""
    passed = sum(
        rules(judge(*pair(KINDS["equal"], seed, faces=700), GateConfig(), seed))["gain"].passed
        for seed in range(80)
    )
    assert passed <= binom.ppf(0.999, 80, 0.05)


def test_one_worse_at_fear_alone_is_refused_though_it_gains() -> None:
    for seed in range(3):
        found = rules(judge(*pair(KINDS["worse-at-fear"], seed), GateConfig(min_gain=-0.05)))
        assert found["gain"].passed
        assert not found["recall"].passed
        assert "fear" in found["recall"].told
