"""The training side, balanced, as blocks in the object store in order of (id, source).

Undersampling picks rows by the rank of a hash, pixels stay where they are; only the classes that
grow are gathered, each whole in one task. The result is the same for any blocks and CPUs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import ray
import ray.data

from fer_ray.cluster.prepared import Prepared, side_blocks
from fer_ray.cluster.ranges import in_order, rows_of
from fer_ray.cluster.stream import Faces
from fer_ray.config import AugmentConfig, BalanceConfig
from fer_ray.faces import balance as balance_faces
from fer_ray.faces import resampling
from fer_ray.faces.balance import ClassPlan
from fer_ray.faces.emotions import EMOTIONS
from fer_ray.faces.rows import FACE_BYTES, SCHEMA, images_of
from fer_ray.runs import layout


@dataclass(frozen=True)
class TrainingFaces:
    """What is trained on: the faces, and what is known of them."""

    faces: Faces
    before: Mapping[str, int]  # faces by emotion, as prepared
    after: Mapping[str, int]  # and balanced
    pixel_mean: float  # of the balanced faces, 0 to 255
    pixel_std: float
    class_weights: Sequence[float] | None  # by label


def training_blocks(
    prepared: Prepared, balance: BalanceConfig, augment: AugmentConfig, seed: int
) -> TrainingFaces:
    """The training side of ``prepared``, balanced as ``balance`` says.

    A dataset of the ``paper`` protocol was balanced before it was split, and is taken as it is.

    Raises:
        ValueError: ``balance`` does not fit the classes, told before any face is read; or the
            files hold other faces than their manifest counts, which may be a stranger's.
    """
    before = {EMOTIONS.index(name): count for name, count in prepared.counts["train"].items()}
    settings = balance.model_copy(update={"target": "none", "generator_below": 0})
    plans = balance_faces.plan(before, settings if prepared.leaky else balance)
    blocks = list(side_blocks(prepared, "train").blocks)
    _check_labels(prepared, before, blocks)
    if any(plan.after != plan.before for plan in plans.values()):
        rows = balanced(rows_of(blocks), plans, balance.neighbors, augment, seed)
        blocks = in_order(rows, sum(plan.after for plan in plans.values()))
    told: list[Any] = [_told.remote(block) for block in blocks]
    facts = ray.get([facts for _, facts in told])
    labels = sum((one.labels for one in facts), np.zeros(len(EMOTIONS), np.int64))
    after = {label: int(labels[label]) for label in plans}
    assert after == {label: plan.after for label, plan in plans.items()}
    mean, square = sum((one.sums for one in facts), np.zeros(2, np.int64)) / (
        sum(after.values()) * FACE_BYTES
    )
    weights = balance_faces.class_weights(after) if balance.class_weights else None
    return TrainingFaces(
        faces=Faces([rows for rows, _ in told], [one.rows for one in facts]),
        before=_by_emotion(before),
        after=_by_emotion(after),
        pixel_mean=float(mean),
        pixel_std=float(np.sqrt(square - mean**2)),
        class_weights=[weights[label] for label in sorted(weights)] if weights else None,
    )


def _check_labels(
    prepared: Prepared, counts: Mapping[int, int], blocks: Sequence["ray.ObjectRef[pa.Table]"]
) -> None:
    """Raises ``ValueError`` if ``blocks`` hold other classes than the manifest counts."""
    each = ray.get([_labels.remote(block) for block in blocks])
    found = sum(each, np.zeros(len(EMOTIONS), np.int64)).tolist()
    for label, count in counts.items():
        if found[label] != count:
            raise ValueError(
                f"{prepared.setting} must hold the {count} faces of {EMOTIONS[label]} to train on"
                f" that its {layout.MANIFEST} counts, got {found[label]} in {prepared.uri}"
            )


def balanced(
    rows: ray.data.Dataset,
    plans: Mapping[int, ClassPlan],
    neighbors: int,
    augment: AugmentConfig,
    seed: int,
) -> ray.data.Dataset:
    """``rows`` brought to what ``plans`` say of each class, in any order.

    Args:
        rows: columns of ``SCHEMA``; from ``rows_of``.
        plans: by label.
        neighbors: of SMOTE.
        augment: the image generator's transforms.
        seed: of every draw.
    """
    growing = [label for label, plan in plans.items() if plan.grows]
    highest = _highest_ranks(rows, plans, seed)
    keep = partial(resampling.undersampled, highest=highest, gone=growing, seed=seed)
    kept = rows.map_batches(keep, batch_size=None, batch_format="pyarrow")
    if not growing:
        return kept
    whole = rows.map_batches(
        partial(resampling.of_labels, labels=growing), batch_size=None, batch_format="pyarrow"
    )
    resize = partial(
        resampling.resized, plans=plans, neighbors=neighbors, augment=augment, seed=seed
    )
    grown = whole.groupby("label").map_groups(resize, batch_format="pyarrow")
    return kept.union(grown)


def _highest_ranks(
    rows: ray.data.Dataset, plans: Mapping[int, ClassPlan], seed: int
) -> dict[int, int]:
    """The rank up to which rows stay, of each class that shrinks; only ranks are gathered."""
    keep = {label: plan.after for label, plan in plans.items() if plan.after < plan.generated}
    keep = {label: count for label, count in keep.items() if not plans[label].grows}
    if not keep:
        return {}
    rank = partial(resampling.ranks, labels=list(keep), seed=seed)
    ranked = rows.map_batches(rank, batch_size=None, batch_format="pyarrow")
    highest = ranked.groupby("label").map_groups(
        partial(resampling.nth_rank, keep=keep), batch_format="pyarrow"
    )
    return {row["label"]: row["rank"] for row in highest.take_all()}


@dataclass(frozen=True)
class _Facts:
    """What is known of one block of faces."""

    rows: int
    labels: np.ndarray  # (7,) faces of each
    sums: np.ndarray  # (2,) of pixels and of their squares; integers, so that order is nothing


@ray.remote
def _labels(rows: pa.Table) -> np.ndarray:
    """``(7,)`` int64 faces of each label."""
    return np.bincount(rows["label"].to_numpy(), minlength=len(EMOTIONS))


@ray.remote(num_returns=2)
def _told(rows: pa.Table) -> tuple[pa.Table, _Facts]:
    """``rows`` with the columns of ``SCHEMA`` alone, and the facts of them."""
    faces = rows.select(SCHEMA.names).combine_chunks()
    shades = np.bincount(images_of(faces["image"]).ravel(), minlength=256)
    labels = np.bincount(faces["label"].to_numpy(), minlength=len(EMOTIONS))
    grey = np.arange(256)
    return faces, _Facts(len(faces), labels, np.array([shades @ grey, shades @ grey**2]))


def _by_emotion(counts: Mapping[int, int]) -> dict[str, int]:
    """Counts by the name of each label, in order of label."""
    return {EMOTIONS[label]: counts[label] for label in sorted(counts)}
