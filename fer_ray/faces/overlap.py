"""Which faces of one part of the data stand in another: copies, near ones, and made relatives.

A face is known by its id, the hash of its pixels. Each face counts once, as the first of
``KINDS`` that it has.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fer_ray.faces.split import SIDES

KINDS = ("exact", "made", "near", "mirrored")
"""``exact``: byte for byte. ``made``: of one family: one was made from the other, or both were made
from a third. ``near``, ``mirrored``: as ``near.PAIRS`` has them."""

_OF_A_PAIR = ("id", "source", "side", "label")


def overlap(of: pa.Table, among: pa.Table, pairs: pa.Table) -> dict[str, int]:
    """How many faces of one part stand in another, by kind, and in all (``faces``).

    Args:
        of: the faces that are counted, columns ``id`` and ``parents``.
        among: the other part, the same columns.
        pairs: of ``near.PAIRS``.
    """
    theirs = pc.unique(among["id"])
    kin = pa.concat_arrays([theirs, pc.list_flatten(_whole(among["parents"]))])
    alike = pairs.filter(pc.invert(pairs["mirrored"])), pairs.filter(pairs["mirrored"])
    near, mirrored = (_partners(some, theirs) for some in alike)
    has = [
        _is_in(of["id"], theirs),
        _is_in(of["id"], kin) | _descends(of["parents"], kin),
        _is_in(of["id"], near),
        _is_in(of["id"], mirrored),
    ]
    first = np.select(has, range(len(KINDS)), len(KINDS))
    counts = np.bincount(first, minlength=len(KINDS) + 1)[: len(KINDS)].tolist()
    return dict(zip(KINDS, counts, strict=True)) | {"faces": sum(counts)}


def pair_rows(facts: pa.Table, pairs: pa.Table) -> pa.Table:
    """Every finding as two faces, the one on the stronger side first.

    Columns: ``kind``, ``correlation``, and ``id``, ``source``, ``side`` and ``label`` of both, as
    ``a_id`` … ``b_label``; in order of kind, then the most alike first.

    A copy is paired with the first of its group on the strongest side; of near duplicates, and of a
    made face and what it was made from, the first face of each side stands for its copies.

    Args:
        facts: columns of ``audit.FACTS``, in order of (id, source).
        pairs: of ``near.PAIRS``.
    """
    ids, sides = facts["id"].to_pylist(), facts["side"].to_pylist()
    places: dict[str, dict[str, int]] = {}
    for row, (one, side) in enumerate(zip(ids, sides, strict=True)):
        places.setdefault(one, {}).setdefault(side, row)
    found = [*_copies(ids, places), *_near(pairs, places), *_made(facts, places)]
    strength = {side: number for number, side in enumerate(SIDES)}
    turned = [
        (b, a, kind, value) if strength[sides[b]] > strength[sides[a]] else (a, b, kind, value)
        for a, b, kind, value in found
    ]
    columns: dict[str, Any] = {
        "kind": pa.array([one[2] for one in turned], pa.string()),
        "correlation": pa.array([one[3] for one in turned], pa.float32()),
    }
    for letter, place in (("a", 0), ("b", 1)):
        rows = pa.array([one[place] for one in turned], pa.int64())
        columns |= {f"{letter}_{name}": facts[name].take(rows) for name in _OF_A_PAIR}
    order = [("kind", "ascending"), ("correlation", "descending")]
    return pa.table(columns).sort_by([*order, ("a_source", "ascending"), ("b_source", "ascending")])


_Found = tuple[int, int, str, float | None]  # two rows, kind, correlation


def _copies(ids: list[str], places: dict[str, dict[str, int]]) -> Iterator[_Found]:
    for row, one in enumerate(ids):
        first = next(places[one][side] for side in reversed(SIDES) if side in places[one])
        if row != first:
            yield first, row, "exact", 1.0


def _near(pairs: pa.Table, places: dict[str, dict[str, int]]) -> Iterator[_Found]:
    for pair in pairs.to_pylist():
        kind = "mirrored" if pair["mirrored"] else "near"
        for a in places[pair["a"]].values():
            for b in places[pair["b"]].values():
                yield a, b, kind, pair["correlation"]


def _made(facts: pa.Table, places: dict[str, dict[str, int]]) -> Iterator[_Found]:
    lengths = pc.fill_null(pc.list_value_length(facts["parents"]), 0).to_numpy()
    for row in np.flatnonzero(lengths).tolist():
        for parent in dict.fromkeys(facts["parents"][row].as_py()):
            for place in places.get(parent, {}).values():
                yield place, row, "made", None


def _partners(pairs: pa.Table, ids: pa.Array) -> pa.Array:
    """The ids that are paired with one of ``ids``."""
    return pa.concat_arrays(
        [
            _whole(pairs[ours].filter(pc.is_in(pairs[theirs], ids)))
            for ours, theirs in (("a", "b"), ("b", "a"))
        ]
    )


def _descends(parents: pa.ChunkedArray, kin: pa.Array) -> np.ndarray:
    """``(n,)`` bool: whether one of a face's parents is among ``kin``."""
    column = _whole(parents)
    owners = pc.list_parent_indices(column).to_numpy()
    found = np.zeros(len(column), bool)
    found[owners[_is_in(pc.list_flatten(column), kin)]] = True
    return found


def _is_in(ids: pa.ChunkedArray | pa.Array, some: pa.Array) -> np.ndarray:
    return np.asarray(pc.is_in(ids, some).to_numpy(zero_copy_only=False), bool)


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks()
