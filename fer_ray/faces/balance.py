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

from fer_ray.config import AugmentConfig, BalanceConfig
from fer_ray.faces import augment
from fer_ray.faces.emotions import EMOTIONS
from fer_ray.faces.rows import FACE_BYTES

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
        ValueError: a class that must grow is too small for its neighbours, or becomes larger than
            one task may hold; one that must be weighed has no faces.
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
        if settings.class_weights and not one.after:
            raise ValueError(
                "balance.class_weights must be false where a class has no faces, got true and no"
                f" {EMOTIONS[label]}"
            )
        if one.after > one.generated and one.generated <= settings.neighbors:
            raise ValueError(
                f"balance.neighbors must be less than the {one.generated} faces of"
                f" {EMOTIONS[label]}, which SMOTE has to grow, got {settings.neighbors}"
            )
        grown = max(one.generated, one.after) * FACE_BYTES
        if one.grows and grown > settings.max_class_bytes:
            raise ValueError(
                f"balance.max_class_bytes must be at least the {grown} bytes that"
                f" {EMOTIONS[label]} has to grow to, got {settings.max_class_bytes}"
            )
    return plans


def class_seed(seed: int, label: int) -> int:
    """The seed of one class: imbalanced-learn would restart the same stream for every class."""
    return int(np.random.SeedSequence([seed, label]).generate_state(1)[0])


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
