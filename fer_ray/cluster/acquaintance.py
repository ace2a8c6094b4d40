"""Whether a model has met the faces before on which it is scored, or relatives of them."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import ray

from fer_ray.cluster import prepared, session
from fer_ray.cluster.stream import Faces
from fer_ray.runs.faults import BusyError

logger = logging.getLogger(__name__)


Family = tuple[str, ...]  # a face's id, and its parents'


def families_of(faces: Faces) -> list[Family]:
    """The family of each face, in order."""
    return [row for rows in ray.get([_family.remote(b) for b in faces.blocks]) for row in rows]


def seen(
    facts: Mapping[str, Any] | None, families: Sequence[Family]
) -> tuple[dict[str, Any], np.ndarray]:
    """What is told of a model's acquaintance with faces, and ``(n,)`` bool: which are new to it.

    ``made``: faces that are no real ones. ``known`` is false where its training data is not known
    or not there any more; all then count as new. Else ``trained_on``: faces that stand byte for
    byte in its training side; ``related``: others of whose family one does (a made face and the
    faces that it was made from are family; theirs, where they were made themselves, are not);
    ``chosen_by``: faces in the validation side that its epoch was chosen by; ``pretrained``:
    whether it began from weights of which nothing is known.

    Args:
        facts: what its run says of it: ``data``, with its ``dataset`` and ``content``.
        families: of the faces that it is scored on.
    """
    made = {"made": sum(len(family) > 1 for family in families)}
    everyone = pa.array(sorted({one for family in families for one in family}), pa.string())
    met = _met(facts, everyone)
    if facts is None or met is None:
        return {"known": False} | made, np.ones(len(families), bool)
    (trained, kin), (chosen, _) = met
    known = np.array([family[0] in trained for family in families])
    related = np.array([not kin.isdisjoint(family) for family in families])
    picked = np.array([family[0] in chosen for family in families])
    return {
        "known": True,
        "trained_on": int(known.sum()),
        "related": int((related & ~known).sum()),
        "chosen_by": int(picked.sum()),
        "pretrained": facts.get("pretrained") is not None,
    } | made, ~(related | picked)


_Found = tuple[set[str], set[str]]


def _met(facts: Mapping[str, Any] | None, wanted: pa.Array) -> tuple[_Found, _Found] | None:
    """What of ``wanted`` stands in the sides that a model was trained and chosen on, if known."""
    match facts:
        case {"data": {"dataset": str(uri), "content": content}}:
            try:
                session.check_shared({"evaluate.model": uri})
                found = prepared.open_prepared(uri, "evaluate.model")
                if found.manifest["content"] != content:
                    return None
                return _found(found, "train", wanted), _found(found, "validation", wanted)
            except BusyError:
                raise
            except ValueError as error:
                logger.warning("what the model was trained on is not known: %s", error)
    return None


def _found(data: prepared.Prepared, side: str, wanted: pa.Array) -> _Found:
    """The ids among ``wanted`` that faces of one side have, and those that their families have."""
    blocks = prepared.side_blocks(data, side).blocks
    there = ray.put(wanted)
    parts = ray.get([_among.remote(block, there) for block in blocks])
    return set().union(*(ids for ids, _ in parts)), set().union(*(kin for _, kin in parts))


@ray.remote
def _family(block: pa.Table) -> list[Family]:
    """Those of one block."""
    ids, parents = block["id"].to_pylist(), block["parents"].to_pylist()
    return [(one, *(some or ())) for one, some in zip(ids, parents, strict=True)]


@ray.remote
def _among(block: pa.Table, wanted: pa.Array) -> tuple[set[str], set[str]]:
    """The ids of a block's faces, and those of their families, that are ``wanted``."""
    ids = block["id"].filter(pc.is_in(block["id"], wanted)).to_pylist()
    parents = pc.list_flatten(block["parents"])
    return set(ids), {*ids, *parents.filter(pc.is_in(parents, wanted)).to_pylist()}
