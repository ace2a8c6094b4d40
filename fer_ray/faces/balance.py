"""Class balance: bring every emotion to one size, by the image generator, SMOTE and undersampling.

FER2013 is lopsided: 7,215 happy faces to train on, 436 disgusted ones. SMOTE (Chawla et al.,
2002, https://arxiv.org/abs/1106.1813) is imbalanced-learn's. Every made face knows its parents,
so that a test can tell that none of them came from a side that scores.
Neighbours must come from the whole class: never balance a batch.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy.sparse
from imblearn.over_sampling import SMOTE
from sklearn.neighbors import NearestNeighbors

from fer_ray.config import AugmentConfig, BalanceConfig
from fer_ray.faces import augment
from fer_ray.faces.emotions import EMOTIONS
from fer_ray.faces.rows import FACE_BYTES

_ROWS_AT_ONCE = 512
_EXACT_PIXELS = 768  # 768 * 128 * 128 < 2**24, up to which float32 holds every whole number

Target = Literal["none", "median", "largest"] | int


@dataclass(frozen=True)
class ClassPlan:
    """What becomes of one class: so many faces, then after the generator, then at the end."""

    before: int
    generated: int
    after: int

    @property
    def grows(self) -> bool:
        """Whether faces are made, so that the class must be gathered whole."""
        return self.generated > self.before or self.after > self.generated


def target_size(counts: Mapping[int, int], target: Target) -> int | None:
    """The size all classes are brought to, given ``{label: faces}``; None leaves them alone."""
    if target == "none":
        return None
    if target == "median":
        return int(np.median(list(counts.values())))
    return max(counts.values()) if target == "largest" else target


def plan(counts: Mapping[int, int], settings: BalanceConfig) -> dict[int, ClassPlan]:
    """What is to become of each class, by label, given ``{label: faces}``.

    Raises:
        ValueError: a class that must grow is too small for its neighbours, or larger than one
            task may gather.
    """
    generated = {
        label: settings.generator_target if count < settings.generator_below else count
        for label, count in counts.items()
    }
    target = target_size(generated, settings.target)
    plans = {
        label: ClassPlan(count, generated[label], generated[label] if target is None else target)
        for label, count in counts.items()
    }
    for label, one in plans.items():
        if one.after > one.generated and one.generated <= settings.neighbors:
            raise ValueError(
                f"balance.neighbors must be less than the {one.generated} faces of"
                f" {EMOTIONS[label]}, which SMOTE has to grow, got {settings.neighbors}"
            )
        gathered = max(one.before, one.generated) * FACE_BYTES
        if one.grows and gathered > settings.max_class_bytes:
            raise ValueError(
                f"balance.max_class_bytes must be at least the {gathered} bytes of"
                f" {EMOTIONS[label]}, which has to grow, got {settings.max_class_bytes}"
            )
    return plans


def class_seed(seed: int, label: int) -> int:
    """The seed of one class: imbalanced-learn would restart the same stream for every class."""
    return int(np.random.SeedSequence([seed, label]).generate_state(1)[0])


class _Found(NearestNeighbors):  # type: ignore[misc]  # scikit-learn has no types
    """Neighbours found beforehand, for whatever stands in for the faces."""

    def __init__(self, nearest: np.ndarray) -> None:
        super().__init__(n_neighbors=nearest.shape[1])
        self.nearest = nearest

    def fit(self, _faces: object, _labels: object = None) -> "_Found":
        return self

    def kneighbors(self, _faces: object, return_distance: bool = False) -> np.ndarray:
        assert not return_distance
        return self.nearest


def nearest_faces(pixels: np.ndarray, neighbors: int) -> np.ndarray:
    """Each face and its nearest ones, by Euclidean distance, then by place.

    scikit-learn's answer to ties (FER2013 has many: duplicates) changes with the number of
    threads. Here all sums are of whole numbers that float32 holds, so they are exact in any order.

    Args:
        pixels: ``(n, pixels)`` float32, whole numbers from -128 to 127.
        neighbors: of each face, less than n.

    Returns:
        ``(n, 1 + neighbors)`` int64 places, each face's own first.
    """
    n = len(pixels)
    squares = np.square(pixels).sum(1, dtype=np.float64)
    nearest = np.empty((n, 1 + neighbors), np.int64)
    for start in range(0, n, _ROWS_AT_ONCE):
        part = pixels[start : start + _ROWS_AT_ONCE]
        distances = squares[start : start + len(part), None] + squares
        for left in range(0, pixels.shape[1], _EXACT_PIXELS):
            columns = slice(left, left + _EXACT_PIXELS)
            distances -= 2 * (part[:, columns] @ pixels[:, columns].T)
        own = np.arange(len(part))
        distances[own, start + own] = -1  # before its duplicates
        # one number for distance and place, so that no two are equal
        keys = np.partition(distances * n + np.arange(n), neighbors)[:, : 1 + neighbors]
        nearest[start : start + len(part)] = np.sort(keys) % n
    return nearest


def smote(
    images: np.ndarray, count: int, neighbors: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """``count`` faces made by SMOTE from one whole class, and the two faces each lies between.

    imbalanced-learn draws between unit vectors instead of faces, with neighbours found by pixels:
    what it makes are the weights of the parents, and the faces follow from these. Where no two
    neighbours are equally near, they agree with SMOTE on the pixels to rounding.

    Args:
        images: ``(n, 48, 48)`` uint8, all faces of the class.
        count: faces to make, at least 1.
        neighbors: how many nearest faces (Euclidean, in pixels) one may be drawn towards; < n.
        seed: fixes the draw, for faces given in the same order.

    Returns:
        ``(count, 48, 48)`` uint8 and ``(count, 2)`` int64 places in ``images``, ascending.
    """
    n = len(images)
    pixels = images.reshape(n, -1).astype(np.float32) - 128
    sampler = SMOTE(
        sampling_strategy={0: n + count},
        k_neighbors=_Found(nearest_faces(pixels, neighbors)),
        random_state=seed,
    )
    # imbalanced-learn insists on a second class: one stranger, last
    classes = np.arange(n + 1) == n
    drawn, _ = sampler.fit_resample(scipy.sparse.identity(n + 1, format="csr"), classes.astype(int))
    weights = scipy.sparse.csr_matrix(drawn[n + 1 :, :n])
    weights.sort_indices()
    # a face drawn at no distance at all has one parent, which then stands twice
    first, last = weights.indices[weights.indptr[:-1]], weights.indices[weights.indptr[1:] - 1]
    made = np.rint(weights.astype(np.float32) @ pixels + 128).astype(np.uint8)
    return made.reshape(count, *images.shape[1:]), np.stack([first, last], 1).astype(np.int64)


def grow_with_generator(
    images: np.ndarray, count: int, settings: AugmentConfig, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """``count`` faces made by the image generator, and the face each was made from.

    Every face has its turn before any has a second one, in an order drawn from ``seed``.

    Args:
        images: ``(n, 48, 48)`` uint8, n >= 1.
        count: faces to make.
        settings: the transforms.
        seed: fixes the draws, for faces given in the same order.

    Returns:
        ``(count, 48, 48)`` uint8 and ``(count,)`` int64 places in ``images``.
    """
    order = np.random.default_rng(seed).permutation(len(images))
    parents = order[np.arange(count) % len(images)]
    draws = augment.uniforms(seed, np.arange(count), augment.DRAWS)
    return augment.augment(images[parents], draws, settings), parents


def hash_ranks(ids: Sequence[str], sources: Sequence[str], seed: int) -> np.ndarray:
    """A number for each face, from a hash of ``(seed, id, source)``: ``(n,)`` uint64.

    The faces of the lowest numbers are a fair sample that needs no pixel and no neighbour. The
    hash is another than the one that picks sides: the lowest would all be on one side.
    """
    salt = seed.to_bytes(8, "little")
    keys = (f"{face} {source}".encode() for face, source in zip(ids, sources, strict=True))
    digests = b"".join(
        hashlib.blake2b(key, digest_size=8, key=salt, person=b"rank").digest() for key in keys
    )
    return np.frombuffer(digests, "<u8").astype(np.uint64)


def class_weights(counts: Mapping[int, int]) -> dict[int, float]:
    """The weight of each class's loss, ``faces / (classes * faces of the class)``.

    As scikit-learn's ``class_weight='balanced'``: the mean weight of a face is 1.
    """
    total = sum(counts.values())
    return {label: total / (len(counts) * count) for label, count in counts.items()}
