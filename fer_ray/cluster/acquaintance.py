"""Whether a model has met the faces before on which it is scored, or relatives of them."""

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import ray

from fer_ray.cluster import prepared
from fer_ray.cluster.stream import Faces
from fer_ray.runs.faults import StorageError

logger = logging.getLogger(__name__)


def seen(data: Mapping[str, Any] | None, faces: Faces) -> tuple[dict[str, Any], np.ndarray]:
    """What is told of a model's acquaintance with faces, and ``(n,)`` bool: which are new to it.

    ``known`` is false where its training data is not known or not there any more; all then count
    as new. Else ``trained_on``: faces that stand byte for byte in its training side; ``related``:
    others of whose family one does (a made face and its parents are family); ``chosen_by``: faces
    that stand in the validation side that its epoch was chosen by.

    Args:
        data: of the model's run: its ``dataset`` and its ``content``.
        faces: that it is scored on.
    """
    theirs = _dataset(data)
    if theirs is None:
        return {"known": False}, np.ones(faces.count, bool)
    families = [row for rows in ray.get([_family.remote(b) for b in faces.blocks]) for row in rows]
    everyone = pa.array(sorted({one for family in families for one in family}), pa.string())
    trained, kin = _found(theirs, "train", everyone)
    chosen, _ = _found(theirs, "validation", everyone)
    known = np.array([family[0] in trained for family in families])
    related = np.array([not kin.isdisjoint(family) for family in families])
    return {
        "known": True,
        "trained_on": int(known.sum()),
        "related": int((related & ~known).sum()),
        "chosen_by": sum(family[0] in chosen for family in families),
    }, ~related


def _dataset(data: Mapping[str, Any] | None) -> prepared.Prepared | None:
    """The dataset that a model was trained on, if it is still there as it was."""
    if data is None:
        return None
    try:
        found = prepared.open_prepared(str(data["dataset"]), "evaluate.model")
    except (StorageError, ValueError) as error:
        logger.warning("what the model was trained on is not known: %s", error)
        return None
    return found if found.manifest["content"] == data["content"] else None


def _found(data: prepared.Prepared, side: str, wanted: pa.Array) -> tuple[set[str], set[str]]:
    """The ids among ``wanted`` that faces of one side have, and those that their families have."""
    blocks = prepared.side_blocks(data, side).blocks
    there = ray.put(wanted)
    parts = ray.get([_among.remote(block, there) for block in blocks])
    return set().union(*(ids for ids, _ in parts)), set().union(*(kin for _, kin in parts))


@ray.remote
def _family(block: pa.Table) -> list[tuple[str, ...]]:
    """Each face's id, and its parents'."""
    ids, parents = block["id"].to_pylist(), block["parents"].to_pylist()
    return [(one, *(some or ())) for one, some in zip(ids, parents, strict=True)]


@ray.remote
def _among(block: pa.Table, wanted: pa.Array) -> tuple[set[str], set[str]]:
    """The ids of a block's faces, and those of their families, that are ``wanted``."""
    ids = block["id"].filter(pc.is_in(block["id"], wanted)).to_pylist()
    parents = pc.list_flatten(block["parents"])
    return set(ids), {*ids, *parents.filter(pc.is_in(parents, wanted)).to_pylist()}
