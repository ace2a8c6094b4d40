"""How the sides of a split differ where they should not: in classes, in light, in contrast."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy.stats import chi2_contingency, ks_2samp

from fer_ray.faces.emotions import EMOTIONS
from fer_ray.faces.split import SIDES

BETWEEN = (("train", "validation"), ("train", "test"))
SURE = 0.001  # p below which a difference is called one
LIGHT_BINS = 32
_FEWEST = 2  # faces; of one alone no test tells anything
MEASURED = ("light", "contrast")


def drifts(facts: pa.Table) -> list[dict[str, Any]]:
    """What differs between sides: ``between``, ``what``, ``distance``, ``p``, and if that is sure.

    Classes: the total variation distance of their shares (0: the same, 1: none in common), with
    the chi-squared test. Light and contrast, the mean and the standard deviation of a face's
    pixels: the largest distance of the two distributions, with Kolmogorov and Smirnov's test.
    ``p`` is how often two random parts of one whole differ as much. A pair of sides of which one
    has fewer than two faces is left out.

    Args:
        facts: columns ``side``, ``label``, ``light``, ``contrast``.
    """
    found = []
    for pair in BETWEEN:
        ours, theirs = (facts.filter(pc.equal(facts["side"], side)) for side in pair)
        if min(len(ours), len(theirs)) < _FEWEST:
            continue
        tests = {"classes": _classes(ours, theirs)}
        tests |= {what: _values(ours, theirs, what) for what in MEASURED}
        for what, (distance, p) in tests.items():
            told = {"between": list(pair), "what": what, "distance": distance, "p": p}
            found.append(told | {"sure": p < SURE})
    return found


def light(facts: pa.Table) -> dict[str, list[int]]:
    """Faces of each side by their mean grey: 32 bins, from black to white."""
    return {
        side: np.histogram(
            facts.filter(pc.equal(facts["side"], side))["light"].to_numpy(), LIGHT_BINS, (0, 256)
        )[0].tolist()
        for side in SIDES
    }


def _classes(ours: pa.Table, theirs: pa.Table) -> tuple[float, float]:
    counts = np.stack([class_counts(one) for one in (ours, theirs)])
    shares = counts / counts.sum(axis=1, keepdims=True)
    there = counts[:, counts.any(axis=0)]
    p = float(chi2_contingency(there).pvalue) if there.shape[1] > 1 else 1.0
    return float(np.abs(shares[0] - shares[1]).sum() / 2), p


def _values(ours: pa.Table, theirs: pa.Table, what: str) -> tuple[float, float]:
    test: Callable[..., Any] = ks_2samp
    found = test(ours[what].to_numpy(), theirs[what].to_numpy(), method="asymp")
    return float(found.statistic), float(found.pvalue)


def class_counts(facts: pa.Table) -> np.ndarray:
    """``(7,)``: faces of each label."""
    return np.bincount(facts["label"].to_numpy(), minlength=len(EMOTIONS))
