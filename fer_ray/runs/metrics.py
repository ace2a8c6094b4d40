"""Figures: how well predictions fit, and each epoch's figures kept as an object of its own.

Object stores cannot append, so every epoch is written apart and all are put together at the end.
Scores are over all seven emotions whatever a side holds, so that two runs' figures compare.
"""

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from fer_ray.faces.emotions import EMOTIONS
from fer_ray.runs.layout import EPOCHS, METRICS, SCHEMA_VERSION, epoch_metrics
from fer_ray.runs.record import read_document, write_document
from fer_ray.runs.storage import Store


def append(run: Store, epoch: int, values: Mapping[str, Any]) -> None:
    """Writes one epoch's figures; of an epoch trained again after a fault, the later ones stay.

    Args:
        run: the run's folder.
        epoch: counted from 1.
        values: JSON; a number that is not finite is kept as null, which JSON has for it.
    """
    write_document(run, epoch_metrics(epoch), {"epoch": epoch} | _finite(values))


def read_all(run: Store, after: int = 0) -> list[dict[str, Any]]:
    """The figures of every epoch ``after`` one, first to last; of all of them by default.

    Raises:
        ValueError: what an epoch left cannot be read.
    """
    keys = (entry.key for entry in run.listing(EPOCHS) if entry.key > epoch_metrics(after))
    documents = (read_document(run, key) for key in keys)
    return [document for document in documents if document is not None]


def forget(run: Store, last_step: int, may: Callable[[], None]) -> None:
    """Deletes the figures of epochs that ended after ``last_step``: they are trained once more.

    Args:
        run: the run's folder.
        last_step: of the checkpoint that is gone on from.
        may: raises if the run is another's meanwhile, whose epochs these may be; asked before each.
    """
    ours = run.guarded(may)
    for epoch in read_all(run):
        if epoch["step"] > last_step:
            may()
            ours.delete_file(epoch_metrics(epoch["epoch"]))


def compose(run: Store, last_step: int) -> list[dict[str, Any]]:
    """Writes the figures of every epoch into ``metrics.jsonl``, a line each, and returns them.

    Epochs that ended after ``last_step``, where the run did, are of an attempt that was given up.
    """
    epochs = [epoch for epoch in read_all(run) if epoch["step"] <= last_step]
    lines = (json.dumps({"schema_version": SCHEMA_VERSION} | epoch) + "\n" for epoch in epochs)
    run.write_bytes(METRICS, "".join(lines).encode())
    return epochs


def from_confusion(matrix: np.ndarray) -> dict[str, Any]:
    """Accuracy, macro precision, recall and F1, recall by class and the matrix, ready for JSON.

    Equal to scikit-learn's with ``labels=range(7), zero_division=0``: a class that is never
    predicted has precision 0, one without faces recall 0, and both count in the means.

    Args:
        matrix: ``(7, 7)`` counts; rows are the true labels, columns the predicted ones.

    Raises:
        ValueError: another shape, or not one face.
    """
    counts = np.asarray(matrix, np.int64)
    if counts.shape != (len(EMOTIONS), len(EMOTIONS)):
        raise ValueError(f"a confusion matrix must be 7 by 7, got shape {counts.shape}")
    if counts.sum() == 0:
        raise ValueError("a confusion matrix must count at least one face, got none")
    hits, true, predicted = np.diag(counts), counts.sum(axis=1), counts.sum(axis=0)
    recall = _ratio(hits, true)
    return {
        "accuracy": float(hits.sum() / counts.sum()),
        "macro_precision": float(_ratio(hits, predicted).mean()),
        "macro_recall": float(recall.mean()),
        "macro_f1": float(_ratio(2 * hits, true + predicted).mean()),
        "recall_by_class": dict(zip(EMOTIONS, recall.tolist(), strict=True)),
        "confusion_matrix": counts.tolist(),
    }


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """``part / whole``, float64, 0 where there is nothing to divide by."""
    ratio: np.ndarray = np.divide(part, whole, out=np.zeros(len(part)), where=whole > 0)
    return ratio


def _finite(value: Any) -> Any:
    """``value`` with null for every number that JSON cannot hold."""
    if isinstance(value, Mapping):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
