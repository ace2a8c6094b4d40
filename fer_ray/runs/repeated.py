"""What ways to train are worth, each tried with several seeds, on the same faces.

Faces and seeds are two sources of luck. Over seeds a way has a mean and a standard deviation; how
far two ways lie apart is drawn over faces, the same draw for every model, seeds paired.
"""

from typing import Any

import numpy as np

from fer_ray.faces.emotions import EMOTIONS
from fer_ray.runs.intervals import RESAMPLES, ends, figures

FIGURES = ("accuracy", "macro_f1", "disgust_recall")
_CELLS = len(EMOTIONS) ** 2


def by_seed(labels: np.ndarray, named: np.ndarray) -> dict[str, np.ndarray]:
    """``(seeds,)`` of each of ``FIGURES``; NaN where there is no face of disgust.

    Args:
        labels: ``(n,)``, 0 to 6, the truth; n at least 1.
        named: ``(seeds, n)``, the labels that each seed's model gives.
    """
    return {name: values[:, 0] for name, values in _drawn(labels, named, None).items()}


def gains(
    labels: np.ndarray, ours: np.ndarray, theirs: np.ndarray, seed: int = 0
) -> dict[str, dict[str, Any]]:
    """How much better ``ours`` are than ``theirs``: of each figure ``difference`` and ``interval``.

    The difference of the means over seeds, and its 95% percentile interval over draws of faces
    (paired bootstrap, Efron 1979; null where no draw has the figure). It holds for these seeds:
    how other seeds would have trained is not in it.

    Args:
        labels: ``(n,)``, 0 to 6, the truth; n at least 1.
        ours: ``(seeds, n)`` labels that the models in question give.
        theirs: ``(seeds, n)``, of those that they are compared with.
        seed: of the draws.
    """
    if ours.shape != theirs.shape:
        raise ValueError(f"seeds and faces must pair, got {ours.shape} and {theirs.shape}")
    found = [_drawn(labels, named, None) for named in (ours, theirs)]
    draws = [_drawn(labels, named, seed) for named in (ours, theirs)]
    told = {}
    for name in FIGURES:
        mean, each = ((a[name] - b[name]).mean(axis=0) for a, b in (found, draws))
        told[name] = {"difference": float(mean[0]), "interval": ends(each)}
    return told


def _drawn(labels: np.ndarray, named: np.ndarray, seed: int | None) -> dict[str, np.ndarray]:
    """``(seeds, draws)`` of each figure; without a seed the one "draw" is of each face once."""
    count = len(labels)
    weights = np.ones((1, count), np.float32)  # whole numbers below 2**24 are exact
    if seed is not None:
        drawn = np.random.default_rng(seed).multinomial(count, [1 / count] * count, RESAMPLES)
        weights = drawn.astype(np.float32)
    told = []
    for one in named:
        cells = np.eye(_CELLS, dtype=np.float32)[labels.astype(np.int64) * len(EMOTIONS) + one]
        matrices = (weights @ cells).astype(np.float64).reshape(-1, len(EMOTIONS), len(EMOTIONS))
        told.append(figures(matrices))
    disgust = EMOTIONS.index("disgust")
    return {
        "accuracy": np.stack([one["accuracy"] for one in told]),
        "macro_f1": np.stack([one["macro_f1"] for one in told]),
        "disgust_recall": np.stack([one["recall_by_class"][:, disgust] for one in told]),
    }
