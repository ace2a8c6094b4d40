"""fer_ray.runs.metrics: scores equal to scikit-learn's, and every epoch's figures kept."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as reference

from fer_ray.faces.emotions import EMOTIONS
from fer_ray.runs import lease, metrics
from fer_ray.runs.storage import Store

CLASSES = list(range(7))

labelled = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=80)


@given(labelled)
def test_scores_equal_scikit_learns(pairs: list[tuple[int, int]]) -> None:
    true, predicted = map(list, zip(*pairs, strict=True))
    matrix = reference.confusion_matrix(true, predicted, labels=CLASSES)
    scores = metrics.from_confusion(matrix)
    asked = {"labels": CLASSES, "average": "macro", "zero_division": 0}
    assert scores["accuracy"] == pytest.approx(reference.accuracy_score(true, predicted))
    for name, score in (
        ("macro_precision", reference.precision_score),
        ("macro_recall", reference.recall_score),
        ("macro_f1", reference.f1_score),
    ):
        assert scores[name] == pytest.approx(score(true, predicted, **asked), abs=1e-12)
    each = reference.recall_score(true, predicted, labels=CLASSES, average=None, zero_division=0)
    assert scores["recall_by_class"] == pytest.approx(dict(zip(EMOTIONS, each, strict=True)))
    assert scores["confusion_matrix"] == matrix.tolist()


def test_rows_are_the_truth() -> None:
    matrix = np.zeros((7, 7), np.int64)
    matrix[1, 0], matrix[1, 1] = 3, 1  # four disgusted faces, three of them taken for angry ones
    scores = metrics.from_confusion(matrix)
    assert scores["recall_by_class"]["disgust"] == 0.25
    assert scores["macro_precision"] == pytest.approx(1 / 7)


@pytest.mark.parametrize(
    ("matrix", "sentence"),
    [
        (np.zeros((7, 7)), "a confusion matrix must count at least one face, got none"),
        (np.ones((6, 6)), r"a confusion matrix must be 7 by 7, got shape \(6, 6\)"),
    ],
)
def test_a_matrix_that_scores_nothing_is_refused(matrix: np.ndarray, sentence: str) -> None:
    with pytest.raises(ValueError, match=f"^{sentence}$"):
        metrics.from_confusion(matrix)


def test_epochs_come_back_in_order_and_are_composed_at_the_end(run: Store) -> None:
    assert metrics.read_all(run) == []
    figures = [
        {"epoch": epoch, "step": 5 * epoch, "train": {"loss": epoch / 3}} for epoch in (1, 2, 10)
    ]
    for epoch in reversed(figures):
        metrics.append(run, epoch["epoch"], epoch)
    assert metrics.read_all(run) == figures
    assert metrics.read_all(run, after=1) == figures[1:]
    assert metrics.compose(run, last_step=49) == figures[:2]  # the third was given up
    assert metrics.compose(run, last_step=50) == figures
    lines = run.read_bytes("metrics.jsonl").decode().splitlines()
    assert [json.loads(line) for line in lines] == [{"schema_version": 1} | f for f in figures]


def test_an_epoch_trained_again_replaces_its_figures(run: Store) -> None:
    metrics.append(run, 1, {"loss": 2.0})
    metrics.append(run, 1, {"loss": 1.0})
    assert metrics.read_all(run) == [{"epoch": 1, "loss": 1.0}]


def test_epochs_that_will_be_trained_again_are_forgotten(run: Store) -> None:
    for epoch in (1, 2, 3):
        metrics.append(run, epoch, {"step": 5 * epoch})
    with lease.acquire(run, 30) as held:
        metrics.forget(run, last_step=10, may=held.guard.check)
    assert [epoch["epoch"] for epoch in metrics.read_all(run)] == [1, 2]


def test_epochs_of_who_took_the_run_over_are_not_forgotten(run: Store) -> None:
    with lease.acquire(run, 30) as lost:
        pass
    with lease.acquire(run, 30):
        metrics.append(run, 1, {"step": 5})
        with pytest.raises(lease.LostError, match=r"^attempt 1 lost the run"):
            metrics.forget(run, last_step=0, may=lost.guard.check)
        assert len(metrics.read_all(run)) == 1


def test_a_loss_that_is_no_number_is_kept_as_null(local_run: Store) -> None:
    metrics.append(local_run, 1, {"loss": math.nan, "each": [1.0, math.inf]})
    assert metrics.read_all(local_run) == [{"epoch": 1, "loss": None, "each": [1.0, None]}]


def test_figures_that_cannot_be_read_are_named(local_run: Store) -> None:
    local_run.write_bytes("metrics/epoch-00003.json", b"{")
    with pytest.raises(ValueError, match=r"^metrics/epoch-00003.json must be JSON"):
        metrics.read_all(local_run)
