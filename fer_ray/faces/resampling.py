"""Tables of faces, resampled: what tasks do when classes are balanced.

Each function takes any part of the faces, in any order, except ``resized``, which takes one whole
class: what is made of it must not depend on how the faces were cut into blocks.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fer_ray.config import AugmentConfig
from fer_ray.faces import balance
from fer_ray.faces.balance import ClassPlan
from fer_ray.faces.rows import SCHEMA, face_table, images_of


def ranks(rows: pa.Table, labels: Sequence[int], seed: int) -> pa.Table:
    """Label and rank of the rows of ``labels``."""
    rows = of_labels(rows.select(["label", "id", "source"]), labels)
    ranks = balance.hash_ranks(rows["id"].to_pylist(), rows["source"].to_pylist(), seed)
    return pa.table({"label": rows["label"], "rank": ranks})


def nth_rank(rows: pa.Table, keep: Mapping[int, int]) -> pa.Table:
    """The highest rank that one class keeps."""
    nth = keep[rows["label"][0].as_py()] - 1
    rank = np.partition(rows["rank"].to_numpy(), nth)[nth]
    return pa.table({"label": rows["label"][:1], "rank": [rank]})


def of_labels(rows: pa.Table, labels: Sequence[int]) -> pa.Table:
    """The rows of ``labels``."""
    return rows.filter(pc.is_in(rows["label"], pa.array(labels, pa.int8())))


def undersampled(
    rows: pa.Table, highest: Mapping[int, int], gone: Sequence[int], seed: int
) -> pa.Table:
    """The rows up to the highest rank of their class, where it has one, and none of ``gone``."""
    labels = rows["label"].to_numpy()
    keep = ~np.isin(labels, gone)
    shrinking = np.flatnonzero(np.isin(labels, list(highest)))
    some = rows.select(["id", "source"]).take(shrinking)
    ranks = balance.hash_ranks(some["id"].to_pylist(), some["source"].to_pylist(), seed)
    limits = np.array([highest[label] for label in labels[shrinking].tolist()], np.uint64)
    keep[shrinking] = ranks <= limits
    return rows.select(SCHEMA.names).filter(keep)


def resized(
    rows: pa.Table,
    plans: Mapping[int, ClassPlan],
    neighbors: int,
    augment: AugmentConfig,
    seed: int,
) -> pa.Table:
    """One whole class, real faces and made ones, as many as its plan says."""
    label = rows["label"][0].as_py()
    plan = plans[label]
    assert len(rows) == plan.before
    own_seed = balance.class_seed(seed, label)
    rows = rows.select(SCHEMA.names).sort_by([("id", "ascending"), ("source", "ascending")])
    if plan.generated > plan.before:
        images, mothers = balance.grow_with_generator(
            images_of(rows["image"]), plan.generated - plan.before, augment, own_seed
        )
        rows = _with_made(rows, images, mothers[:, None], "generator", label)
    if plan.after > plan.generated:
        from fer_ray.faces import smote  # a second that other tasks spare themselves

        images, parents = smote.smote(
            images_of(rows["image"]), plan.after - plan.generated, neighbors, own_seed
        )
        rows = _with_made(rows, images, parents, "smote", label)
    ranks = balance.hash_ranks(rows["id"].to_pylist(), rows["source"].to_pylist(), seed)
    return rows.take(np.sort(np.argsort(ranks)[: plan.after]))


def _with_made(
    rows: pa.Table, images: np.ndarray, parents: np.ndarray, origin: str, label: int
) -> pa.Table:
    """``rows`` and, after them, the faces made from those at ``parents``; ``(n, parents)``."""
    ids = np.array(rows["id"].to_pylist())
    sources = [f"{origin}:{label}:{number:05d}" for number in range(len(images))]
    labels = [label] * len(images)
    made = face_table(images, labels, sources, origin, ids[parents].tolist())
    return pa.concat_tables([rows, made]).combine_chunks()
