"""fer_ray.runs.scores and intervals: equal to scikit-learn's, and as sure as a bootstrap is."""

import json
import math
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn import metrics as reference

from fer_ray.faces.emotions import EMOTIONS
from fer_ray.runs import intervals, scores

CLASSES = list(range(7))


@settings(max_examples=25)
@given(
    logits=hnp.arrays(np.float32, (20, 7), elements=st.floats(-30, 30, width=32)),
    labels=st.lists(st.integers(0, 6), min_size=20, max_size=20),
)
def test_predictions_are_scored_by_their_largest_probability(
    logits: np.ndarray, labels: list[int]
) -> None:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities = powers / powers.sum(axis=1, keepdims=True)
    told = scores.of_predictions(labels, probabilities)
    predicted = probabilities.argmax(axis=1)
    assert told["accuracy"] == pytest.approx(np.mean(predicted == labels))
    exact = probabilities[np.arange(20), labels].astype(np.float64)
    chosen = np.clip(exact, np.finfo(np.float64).eps, 1)  # else one sure mistake were infinite
    assert told["log_loss"] == pytest.approx(-np.log(chosen).mean(), rel=1e-5, abs=1e-6)
    json.dumps(told, allow_nan=False)


def test_a_side_without_some_class_is_scored_over_all_seven() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        told = scores.of_predictions([3, 3], np.eye(7, dtype=np.float32)[[3, 3]])
    assert told["accuracy"] == 1
    assert told["macro_recall"] == pytest.approx(1 / 7)
    assert told["log_loss"] == pytest.approx(0, abs=1e-9)


def drawn(seed: int, faces: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """Labels, and probabilities that know something of them."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(7, faces, p=[0.1, 0.02, 0.13, 0.25, 0.2, 0.1, 0.2])
    logits = rng.normal(size=(faces, 7)) + 1.5 * np.eye(7)[labels]
    powers = np.exp(logits)
    return labels, (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("seed", range(5))
def test_every_score_equals_scikit_learns(seed: int) -> None:
    labels, probabilities = drawn(seed)
    told = scores.of_predictions(labels, probabilities)
    exact = probabilities.astype(np.float64)
    exact /= exact.sum(axis=1, keepdims=True)
    predicted = exact.argmax(axis=1)
    weighted = reference.f1_score(labels, predicted, average="weighted")
    assert told["weighted_f1"] == pytest.approx(weighted)
    assert told["auroc"] == pytest.approx(
        reference.roc_auc_score(labels, exact, multi_class="ovr", average="macro")
    )
    assert told["top2_accuracy"] == pytest.approx(
        reference.top_k_accuracy_score(labels, exact, k=2)
    )
    report = reference.classification_report(
        labels, predicted, labels=CLASSES, target_names=EMOTIONS, output_dict=True
    )
    for name in EMOTIONS:
        ours, theirs = told["by_class"][name], report[name]
        assert ours["f1"] == pytest.approx(theirs["f1-score"])
        assert ours["precision"] == pytest.approx(theirs["precision"])
        assert (ours["recall"], ours["support"]) == (theirs["recall"], theirs["support"])
        one_class = labels == EMOTIONS.index(name)
        area = reference.roc_auc_score(one_class, exact[:, EMOTIONS.index(name)])
        assert ours["auroc"] == pytest.approx(area)


def numbers(told: Any) -> list[Any]:
    if isinstance(told, dict):
        return [number for value in told.values() for number in numbers(value)]
    if isinstance(told, list):
        return [number for value in told for number in numbers(value)]
    return [told]


@pytest.mark.parametrize(
    ("labels", "rows"),
    [
        ([3], [3]),
        ([3, 3], [3, 3]),
        ([0, 1, 2], [3, 3, 3]),
        ([0, 1, 2, 3, 4, 5, 6], [6, 5, 4, 3, 2, 1, 0]),
    ],
    ids=["one face", "one class", "never right", "a class never predicted"],
)
def test_what_is_not_defined_is_null_and_never_warned_of(
    labels: list[int], rows: list[int]
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        told = scores.of_predictions(labels, np.eye(7, dtype=np.float32)[rows])
    assert all(number is None or math.isfinite(number) for number in numbers(told))
    for name in ("accuracy", "macro_f1", "weighted_f1", "top2_accuracy", "calibration_error"):
        assert 0 <= told[name] <= 1


def test_ties_go_to_the_first_class_everywhere() -> None:
    told = scores.of_predictions([0, 1], np.full((2, 7), 1 / 7, np.float32))
    assert told["accuracy"] == 0.5
    assert told["auroc"] == 0.5


def test_calibration_is_the_gap_between_confidence_and_truth() -> None:
    confidence = np.array([0.95] * 10 + [0.55] * 10)
    right = np.array([True] * 9 + [False] + [True] * 5 + [False] * 5)
    told = scores.calibration(right, confidence)
    assert told["calibration_error"] == pytest.approx((0.05 * 10 + 0.05 * 10) / 20)
    assert [one["faces"] for one in told["calibration_bins"]] == [10, 10]
    assert scores.calibration(np.array([True]), np.array([1.0]))["calibration_error"] == 0


def test_calibration_has_fifteen_bins_each_with_its_lower_end() -> None:
    middles = (np.arange(15) + 0.5) / 15
    told = scores.calibration(np.ones(15, bool), middles)
    assert [one["faces"] for one in told["calibration_bins"]] == [1] * 15
    told = scores.calibration(np.ones(3, bool), np.array([0.39, 0.4, 0.41]))
    assert [one["faces"] for one in told["calibration_bins"]] == [1, 2]


def test_the_confidence_is_that_in_the_label_that_a_face_got() -> None:
    labels, probabilities = drawn(1)
    told = scores.of_predictions(labels, probabilities)["calibration_bins"]
    total = sum(one["faces"] * one["confidence"] for one in told)
    assert total == pytest.approx(probabilities.max(axis=1).sum(), rel=1e-5)


def test_intervals_are_those_of_resampled_faces() -> None:
    labels, probabilities = drawn(0, faces=300)
    predicted = probabilities.argmax(axis=1)
    told = scores.of_predictions(labels, probabilities)
    rng = np.random.default_rng(1)
    accuracy, macro, recall = [], [], []
    for _ in range(3_000):
        some = rng.integers(0, 300, 300)
        accuracy.append(np.mean(labels[some] == predicted[some]))
        matrix = np.zeros((7, 7), int)
        np.add.at(matrix, (labels[some], predicted[some]), 1)
        figures = intervals.figures(matrix[None])
        macro.append(figures["macro_f1"][0])
        recall.append(figures["recall_by_class"][0, 3])
    for name, values in (("accuracy", accuracy), ("macro_f1", macro)):
        assert told["intervals"][name] == pytest.approx(
            np.percentile(values, [2.5, 97.5]), abs=0.01
        )
    assert told["intervals"]["recall_by_class"][EMOTIONS[3]] == pytest.approx(
        np.percentile(recall, [2.5, 97.5]), abs=0.02
    )


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=60))
def test_a_resamples_figures_equal_scikit_learns(pairs: list[tuple[int, int]]) -> None:
    true, predicted = map(list, zip(*pairs, strict=True))
    matrix = reference.confusion_matrix(true, predicted, labels=CLASSES)
    told = intervals.figures(matrix[None])
    for name, average in (("macro_f1", "macro"), ("weighted_f1", "weighted")):
        theirs = reference.f1_score(
            true, predicted, labels=CLASSES, average=average, zero_division=0
        )
        assert told[name][0] == pytest.approx(theirs)
    precision, recall, f1, support = reference.precision_recall_fscore_support(
        true, predicted, labels=CLASSES, zero_division=0
    )
    assert told["macro_precision"][0] == pytest.approx(precision.mean())
    assert told["macro_recall"][0] == pytest.approx(recall.mean())
    told_of = np.bincount(predicted, minlength=7)
    for name, theirs, where in (
        ("precision_by_class", precision, told_of > 0),
        ("recall_by_class", recall, support > 0),
        ("f1_by_class", f1, told_of + support > 0),
    ):
        expected = np.where(where, theirs, np.nan)
        np.testing.assert_allclose(told[name][0], expected)


def test_another_seed_draws_other_faces() -> None:
    counts = np.array([5, 0, 7])
    first, again, other = (intervals.drawn(counts, seed) for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert (other.sum(axis=1) == 12).all()
    assert not other[:, 1].any()


def test_the_same_predictions_have_the_same_intervals_around_their_figures() -> None:
    labels, probabilities = drawn(3)
    told = scores.of_predictions(labels, probabilities)
    assert told == scores.of_predictions(labels, probabilities)
    for name in ("accuracy", "macro_precision", "macro_recall", "macro_f1", "weighted_f1"):
        low, high = told["intervals"][name]
        assert low < told[name] < high


def test_votes_judge_predictions_and_labels_alike() -> None:
    votes = np.zeros((6, 10), np.uint8)
    votes[[0, 5], 4] = 10  # anger
    votes[1, 4] = 10
    votes[2, 1] = 10  # happiness
    votes[3, [4, 6]] = 5, 5  # anger or fear
    labels, named = np.array([0, 0, 2, 0, 0, 2]), np.array([0, 2, 3, 2, 6, 0])
    assert scores.of_votes(labels, named, votes) == {
        "faces": 4,
        "accuracy": pytest.approx(3 / 4),
        "labels_accuracy": pytest.approx(2 / 4),
        "errors": 4,  # the last but one has no votes
        "disputed_errors": pytest.approx(3 / 4),
        "excused_errors": pytest.approx(2 / 4),
    }


def test_without_votes_nothing_is_told_of_them() -> None:
    labels = np.array([0, 1])
    assert scores.of_votes(labels, labels, np.zeros((2, 10), np.uint8)) is None


def test_votes_that_agree_on_nothing_judge_nothing() -> None:
    votes = np.zeros((1, 10), np.uint8)
    votes[0, 9] = 10
    told = scores.of_votes(np.array([0]), np.array([0]), votes)
    assert told == {
        "faces": 0,
        "accuracy": None,
        "labels_accuracy": None,
        "errors": 0,
        "disputed_errors": None,
        "excused_errors": None,
    }
