"""FER+'s ten annotators of a face (Barsoum et al. 2016, arXiv:1608.01041), and what most saw.

Their order differs from FER2013's, and three of their answers are none of its seven emotions.
"""

import numpy as np
import pyarrow as pa

ANSWERS = (
    *("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear"),
    *("contempt", "unknown", "not a face"),
)
_LABELS = np.array([6, 3, 5, 4, 0, 1, 2, -1, -1, -1], np.int8)


def counts_of(column: pa.ChunkedArray | pa.Array) -> np.ndarray:
    """The ``(n, 10)`` uint8 counts of a ``votes`` column; zeros where there are none."""
    none = [0] * len(ANSWERS)
    return np.array([one or none for one in column.to_pylist()], np.uint8).reshape(-1, len(none))


def majorities(counts: np.ndarray) -> np.ndarray:
    """``(n,)`` int8: the label that got the most votes of a face.

    -1 where that is none of the seven emotions, or shared by several answers, or nobody voted.

    Args:
        counts: ``(n, 10)``.
    """
    alone = (counts == counts.max(axis=1, keepdims=True)).sum(axis=1) == 1
    labels: np.ndarray = np.where(alone, _LABELS[counts.argmax(axis=1)], np.int8(-1))
    return labels


def in_words(counts: np.ndarray) -> str:
    """``(10,)`` counts, the most frequent answer first: ``fear 5, surprise 4, unknown 1``."""
    given = [(int(count), name) for count, name in zip(counts, ANSWERS, strict=True) if count]
    return ", ".join(f"{name} {count}" for count, name in sorted(given, key=lambda one: -one[0]))
