"""fer_ray.runs.comparing: paired, so that luck that both share is nobody's merit."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as reference

from fer_ray.faces.emotions import EMOTIONS
from fer_ray.runs.comparing import compare

LABELS = st.integers(0, 6)


@settings(max_examples=30)
@given(st.lists(st.tuples(LABELS, LABELS, LABELS), min_size=1, max_size=60))
def test_differences_are_scikit_learns_and_no_figure_is_nan(
    rows: list[tuple[int, int, int]],
) -> None:
    labels, ours, theirs = np.array(rows).T
    told = compare(labels, ours, theirs)
    json.dumps(told, allow_nan=False)
    for name, score in (
        ("accuracy", reference.accuracy_score),
        (
            "macro_f1",
            lambda a, b: reference.f1_score(
                a, b, labels=range(7), average="macro", zero_division=0
            ),
        ),
    ):
        assert told[name]["difference"] == pytest.approx(
            score(labels, ours) - score(labels, theirs)
        )
        assert told[name]["ours"] == pytest.approx(score(labels, ours))
        assert told[name]["theirs"] == pytest.approx(score(labels, theirs))
        low, high = told[name]["interval"]
        assert -1 <= low <= high <= 1
    assert told["faces"] == len(rows)


@settings(max_examples=30)
@given(st.lists(st.tuples(LABELS, LABELS, LABELS), min_size=1, max_size=60))
def test_who_is_compared_with_whom_changes_signs_alone(rows: list[tuple[int, int, int]]) -> None:
    labels, ours, theirs = np.array(rows).T
    there, back = compare(labels, ours, theirs), compare(labels, theirs, ours)
    assert there["accuracy"]["difference"] == pytest.approx(-back["accuracy"]["difference"])
    assert there["mcnemar"]["p"] == pytest.approx(back["mcnemar"]["p"])
    assert there["mcnemar"]["only_ours"] == back["mcnemar"]["only_theirs"]


def test_mcnemar_counts_only_faces_that_one_alone_gets_right() -> None:
    labels = np.zeros(1_000, int)
    ours, theirs = np.zeros(1_000, int), np.zeros(1_000, int)
    ours[:4], theirs[4:18] = 1, 1
    told = compare(labels, ours, theirs)["mcnemar"]
    assert (told["only_ours"], told["only_theirs"]) == (14, 4)
    tail = stats.binom.sf(13, 18, 0.5)
    assert told["p"] == pytest.approx(2 * tail)
    by_class = compare(labels, ours, theirs)["mcnemar_by_class"]
    assert by_class["anger"] == told
    assert by_class["fear"] == {"only_ours": 0, "only_theirs": 0, "p": 1.0}


def test_the_interval_is_that_of_drawing_faces_in_pairs() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 7, 500)
    theirs = np.where(rng.random(500) < 0.7, labels, rng.integers(0, 7, 500))
    ours = np.where(rng.random(500) < 0.1, labels, theirs)
    places = rng.integers(0, 500, (4_000, 500))
    gains = np.mean((ours == labels)[places], axis=1) - np.mean((theirs == labels)[places], axis=1)
    told = compare(labels, ours, theirs)["accuracy"]
    assert told["interval"] == pytest.approx(np.percentile(gains, [2.5, 97.5]), abs=0.003)
    assert told["not_better"] == pytest.approx(np.mean(gains <= 0), abs=0.01)


def test_a_model_is_never_better_than_itself() -> None:
    labels = np.arange(70) % 7
    named = np.where(np.arange(70) < 50, labels, 0)
    told = compare(labels, named, named)["accuracy"]
    assert (told["difference"], told["interval"], told["not_better"]) == (0, [0, 0], 1)


def test_a_seed_decides_the_draws() -> None:
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 7, (3, 100))
    first, again, other = (compare(*rows, seed=seed)["macro_f1"] for seed in (0, 0, 1))
    assert first == again
    assert first["interval"] != other["interval"]


def test_a_class_without_faces_has_no_interval() -> None:
    told = compare(np.array([0, 1]), np.array([0, 1]), np.array([1, 1]))
    assert told["recall_by_class"]["neutral"] == {
        "ours": None,
        "theirs": None,
        "difference": None,
        "interval": None,
        "not_better": None,
    }
    assert set(told["recall_by_class"]) == set(EMOTIONS)
