"""Drawn faces of the seven emotions, so that everything can be tried without a photograph.

Face number i, its label and its usage follow from (seed, i) alone: two slices of the endless row
of faces agree wherever they overlap. Classes are as uneven as FER2013's.
"""

from collections.abc import Iterator

import numpy as np

from fer_ray.faces.augment import noise, uniforms
from fer_ray.faces.rows import SIDE
from fer_ray.faces.sketch import Expression, between, sketch

_COUNTS = np.array([4953, 547, 5121, 8989, 6077, 4002, 6198])  # of FER2013, by label
_DRAWS = 64
_FACES, _USAGES = 1 << 64, 2 << 64  # streams of a seed's Philox that nothing else reads

# Each emotion at its fullest, fields as in Expression; FACS's prototypes (Ekman, Friesen 1978).
_FULL = np.array(
    [  # inner outer  lid cheek wide  corn   gap sneer oval lips teeth furr wrin fold
        [-0.13, 0.04, 0.09, 0.4, 0.25, -0.05, 0.02, 0.00, 0.0, 0.1, 0.0, 1.0, 0.1, 0.2],  # anger
        [-0.08, -0.02, 0.05, 0.7, 0.26, -0.07, 0.07, 0.11, 0.2, 0.5, 0.6, 0.4, 1.0, 1.0],  # disgust
        [0.13, 0.06, 0.17, 0.0, 0.34, -0.07, 0.12, 0.00, 0.4, 0.3, 0.5, 0.5, 0.0, 0.1],  # fear
        [0.02, 0.02, 0.07, 0.6, 0.39, 0.15, 0.12, -0.02, 0.1, 0.4, 0.8, 0.0, 0.0, 0.9],  # happiness
        [0.13, -0.09, 0.06, 0.1, 0.25, -0.12, 0.00, 0.00, 0.0, 0.6, 0.0, 0.3, 0.0, 0.2],  # sadness
        [0.17, 0.17, 0.18, 0.0, 0.19, 0.00, 0.30, 0.00, 1.0, 0.5, 0.1, 0.0, 0.0, 0.0],  # surprise
        [0.00, 0.00, 0.10, 0.2, 0.28, 0.00, 0.00, 0.00, 0.0, 0.6, 0.0, 0.0, 0.0, 0.1],  # neutral
    ]
)
_AT_REST = _FULL[6]
_OWN = np.array(  # how far a person's face differs, each way
    [0.025, 0.025, 0.02, 0.15, 0.03, 0.02, 0.012, 0.008, 0.1, 0.2, 0.15, 0.1, 0.05, 0.15]
)
_LEAST = np.array([-1, -1, 0.03, 0, 0.1, -1, 0, -1, 0, 0, 0, 0, 0, 0])


def labels_of(numbers: np.ndarray, seed: int) -> np.ndarray:
    """``(n,)`` int8 labels of the faces ``numbers``: FER2013's shares in any row of neighbours.

    A golden-ratio sequence spreads each class evenly: of any 350 faces 4 to 7 show disgust.
    """
    turns = numbers.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    turns += np.uint64(seed * 0xD1B54A32D192ED03 % 2**64)
    edges = np.cumsum(_COUNTS) / _COUNTS.sum()
    return np.searchsorted(edges[:-1], turns / 2.0**64, side="right").astype(np.int8)


def usage_of(numbers: np.ndarray, seed: int) -> np.ndarray:
    """``(n,)`` strings, a FER2013-like Usage: 80% Training, 10% PublicTest, 10% PrivateTest."""
    shares = uniforms(seed + _USAGES, numbers, 4)[:, 0]
    usages = np.array(["Training", "PublicTest", "PrivateTest"])
    return usages[np.searchsorted([0.8, 0.9], shares, side="right")]


def draw(start: int, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """``(count, 48, 48)`` uint8 faces from number ``start`` on, and their ``(count,)`` int8 labels.

    Holds 60 kB a face while it draws: ask for thousands at a time, not millions.
    """
    numbers = np.arange(start, start + count, dtype=np.int64)
    labels = labels_of(numbers, seed)
    draws = uniforms(seed + _FACES, numbers, _DRAWS)
    columns = iter(draws.T[:, :, None])
    sketches = sketch(_express(labels, columns), columns)
    return _photograph(sketches, columns), labels


def _express(labels: np.ndarray, columns: Iterator[np.ndarray]) -> Expression:
    """What the faces' muscles do: from two thirds to a little over an emotion's fullest."""
    strength = between(0.65, 1.15, columns)
    own = np.concatenate([between(-1, 1, columns) for _ in _OWN], axis=1) * _OWN
    amounts = _AT_REST + strength * (_FULL[labels] - _AT_REST) + own
    return Expression(*np.maximum(amounts, _LEAST).T[:, :, None])


def _photograph(sketches: np.ndarray, columns: Iterator[np.ndarray]) -> np.ndarray:
    """The sketches under uneven light, in their own contrast and brightness, with grain."""
    across = np.linspace(-1, 1, SIDE, dtype=np.float32)

    def a(low: float, high: float) -> np.ndarray:
        return between(low, high, columns)[:, :, None].astype(np.float32)

    light = 1 + a(-0.3, 0.3) * across + a(-0.2, 0.2) * across[:, None]
    exposed = (sketches - np.float32(128)) * light * a(0.55, 1.05) + a(95, 160)
    grain = noise(next(columns)[:, 0], 2 * SIDE**2).reshape(-1, 2, SIDE, SIDE).astype(np.float32)
    exposed += (grain[:, 0] - grain[:, 1]) / 255 * a(8, 36)
    printed: np.ndarray = np.rint(exposed.clip(0, 255)).astype(np.uint8)
    return printed
