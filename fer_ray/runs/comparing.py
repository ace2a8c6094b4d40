"""Whether one model names the same faces better than another, or luck could have told it so.

Both are scored on the same faces, so that draws and tests are paired: what both get right or wrong
alike says nothing about which is better.
"""

from typing import Any

import numpy as np

from fer_ray.faces.emotions import EMOTIONS
from fer_ray.runs.intervals import drawn, ends, figures

HEADLINES = ("accuracy", "macro_f1")


def compare(
    labels: np.ndarray, ours: np.ndarray, theirs: np.ndarray, seed: int = 0
) -> dict[str, Any]:
    """How much better ``ours`` is than ``theirs``, ready for JSON.

    ``accuracy`` and ``macro_f1``: of ``ours`` and ``theirs``, the ``difference`` and its 95%
    ``interval`` (paired percentile
    bootstrap, Efron 1979; null where no draw has the figure), ``not_better``: the share of draws
    in which it is 0 or less. ``recall_by_class``: the same of each class. ``mcnemar``: McNemar's
    exact test (1947) of all faces and, ``mcnemar_by_class``, of each class: ``only_ours`` and
    ``only_theirs``, the faces that one of the two gets right, and the two-sided ``p`` of a split
    at least that uneven between equal models. p values are of single tests: of seven, one below
    0.05 by chance is no surprise.

    Args:
        labels: ``(n,)``, 0 to 6, the truth; n at least 1.
        ours: ``(n,)`` predicted labels of the model in question.
        theirs: ``(n,)`` predicted labels of the one it is compared with.
        seed: of the draws.
    """
    classes = len(EMOTIONS)
    cells = np.zeros((classes, classes, classes), np.int64)
    np.add.at(cells, (labels, ours, theirs), 1)
    found, draws = _both(cells[None]), _both(drawn(cells, seed))
    told: dict[str, Any] = {name: _told(found[name], draws[name]) for name in HEADLINES}
    told["recall_by_class"] = {
        name: _told(*(one["recall_by_class"][:, :, label] for one in (found, draws)))
        for label, name in enumerate(EMOTIONS)
    }
    right, also = ours == labels, theirs == labels
    told["mcnemar"] = _mcnemar(right, also)
    told["mcnemar_by_class"] = {
        name: _mcnemar(right[labels == label], also[labels == label])
        for label, name in enumerate(EMOTIONS)
    }
    return {"faces": len(labels)} | told


def _both(cells: np.ndarray) -> dict[str, np.ndarray]:
    """The figures of ``(n, 7, 7, 7)`` counts by truth, ours, theirs: ``(2, n)``, ours first."""
    ours, theirs = figures(cells.sum(axis=3)), figures(cells.sum(axis=2))
    return {name: np.stack([ours[name], theirs[name]]) for name in (*HEADLINES, "recall_by_class")}


def _told(found: np.ndarray, draws: np.ndarray) -> dict[str, Any]:
    """A figure of both, ``(2, 1)``, and what its draws, ``(2, n)``, say of the difference."""
    ours, theirs = (None if np.isnan(one) else float(one) for one in found[:, 0])
    gains = draws[0] - draws[1]
    known = gains[~np.isnan(gains)]
    return {
        "ours": ours,
        "theirs": theirs,
        "difference": None if ours is None or theirs is None else ours - theirs,
        "interval": ends(gains),
        "not_better": float(np.mean(known <= 0)) if len(known) else None,
    }


def _mcnemar(ours: np.ndarray, theirs: np.ndarray) -> dict[str, Any]:
    """McNemar's exact test of ``(n,)`` bool: whether each got the face right."""
    from scipy.stats import binomtest  # half a second, and few processes compare models

    only_ours, only_theirs = int(np.sum(ours & ~theirs)), int(np.sum(theirs & ~ours))
    uneven = only_ours + only_theirs
    p = float(binomtest(only_ours, uneven).pvalue) if uneven else 1.0
    return {"only_ours": only_ours, "only_theirs": only_theirs, "p": p}
