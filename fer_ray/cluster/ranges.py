"""Faces in order of (id, source), in blocks of one range of ids each.

The ranges follow from how many faces there are, never from Ray's blocks or CPUs: whatever is
made of a block is the same on every cluster. Faces of one id are in one block.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import ray
import ray.data
from ray.data.context import ShuffleStrategy

FACES_A_RANGE = 4_096  # about 9.5 MB


def rows_of(blocks: Sequence["ray.ObjectRef[pa.Table]"]) -> ray.data.Dataset:
    """The rows of ``blocks``, for shuffles that suit them."""
    refs: list[Any] = list(blocks)  # Ray types what it takes and what it gives differently
    rows = ray.data.from_arrow_refs(refs)
    # Ray 2.60's default starts new processes for its shuffles: 15 s for FER2013 on two cores,
    # where this takes 1 s.
    rows.context.shuffle_strategy = ShuffleStrategy.SORT_SHUFFLE_PULL_BASED
    return rows


def in_order(rows: ray.data.Dataset, count: int) -> list["ray.ObjectRef[pa.Table]"]:
    """The blocks of ``rows`` in order of (id, source); none is empty.

    They have one column more, ``range``: the number of the range.

    Args:
        rows: with columns ``id`` and ``source``; from ``rows_of``.
        count: how many rows there are.
    """
    ranges = -(-count // FACES_A_RANGE)
    marked = rows.map_batches(
        partial(_with_range, ranges=ranges), batch_size=None, batch_format="pyarrow"
    )
    # without boundaries Ray would draw its own, from a sample; one range is followed by none
    boundaries: list[int | float] = [*range(1, max(2, ranges))]
    ordered = marked.sort(["range", "id", "source"], boundaries=boundaries).materialize()
    blocks = ordered.to_arrow_refs()
    filled = ray.get([_has_rows.remote(block) for block in blocks])
    return [block for block, some in zip(blocks, filled, strict=True) if some]


@ray.remote
def _has_rows(block: pa.Table) -> bool:
    return len(block) > 0


def _with_range(rows: pa.Table, ranges: int) -> pa.Table:
    """``rows`` and the range of each: ids are hashes, so equal shares of their first 32 bits."""
    prefixes = np.array([int(face[:8], 16) for face in rows["id"].to_pylist()], np.int64)
    return rows.append_column("range", pa.array(prefixes * ranges >> 32))
