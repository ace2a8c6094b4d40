"""How sure figures are: bootstrap intervals, drawn as confusion matrices.

To draw n predictions with replacement is to draw their confusion matrix from the multinomial
distribution of its cells: the same bootstrap (Efron 1979), without a face being moved.
"""

from typing import Any

import numpy as np

from fer_ray.faces.emotions import EMOTIONS

RESAMPLES = 10_000
CONFIDENCE = 0.95
_ENDS = 100 * np.array([(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])


def intervals(matrix: np.ndarray, seed: int = 0) -> dict[str, Any]:
    """95% percentile intervals ``[low, high]`` of what a confusion matrix tells.

    Of ``accuracy``, ``macro_precision``, ``macro_recall``, ``macro_f1``, ``weighted_f1``, and of
    each class under ``recall_by_class``, ``precision_by_class`` and ``f1_by_class``. A class's
    recall is taken over the draws that have a face of it (its precision: a prediction of it); null
    where none has.

    Args:
        matrix: ``(7, 7)`` counts; rows are the true labels, columns the predicted ones.
        seed: of the draws.
    """
    told: dict[str, Any] = {}
    for name, values in figures(drawn(matrix, seed)).items():
        if values.ndim == 1:
            told[name] = ends(values)
        else:
            told[name] = {emotion: ends(values[:, label]) for label, emotion in enumerate(EMOTIONS)}
    return told


def drawn(counts: np.ndarray, seed: int) -> np.ndarray:
    """``(RESAMPLES, *counts.shape)`` counts of as many faces, each drawn from those counted."""
    total = int(counts.sum())
    shares = np.asarray(counts, np.float64).reshape(-1) / total
    draws = np.random.default_rng(seed).multinomial(total, shares, size=RESAMPLES)
    return draws.reshape(RESAMPLES, *counts.shape)


def figures(matrices: np.ndarray) -> dict[str, np.ndarray]:
    """The figures of ``(n, 7, 7)`` matrices: ``(n,)`` each, or ``(n, 7)`` by class.

    As scikit-learn with ``zero_division=0``; by class NaN takes the place of a 0 over 0.
    """
    hits = np.diagonal(matrices, axis1=1, axis2=2)
    true, predicted = matrices.sum(axis=2), matrices.sum(axis=1)
    with np.errstate(invalid="ignore"):
        recall, precision, f1 = hits / true, hits / predicted, 2 * hits / (true + predicted)
    total = true.sum(axis=1)
    return {
        "accuracy": hits.sum(axis=1) / total,
        "macro_precision": np.nan_to_num(precision).mean(axis=1),
        "macro_recall": np.nan_to_num(recall).mean(axis=1),
        "macro_f1": np.nan_to_num(f1).mean(axis=1),
        "weighted_f1": (np.nan_to_num(f1) * true).sum(axis=1) / total,
        "recall_by_class": recall,
        "precision_by_class": precision,
        "f1_by_class": f1,
    }


def ends(values: np.ndarray) -> list[float] | None:
    """The 95% percentile interval of ``(n,)`` draws, NaN left out; none where nothing is left."""
    known = values[~np.isnan(values)]
    return [float(end) for end in np.percentile(known, _ENDS)] if len(known) else None
