"""Faces looked up by id, wherever their blocks are."""

from collections.abc import Collection, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import ray

from fer_ray.faces.rows import images_of


def by_id(
    blocks: Sequence["ray.ObjectRef[pa.Table]"], ids: Collection[str]
) -> dict[str, np.ndarray]:
    """The ``(48, 48)`` uint8 faces of those ids that are there; only they are gathered."""
    wanted = ray.put(pa.array(sorted(ids), pa.string()))
    parts = ray.get([_of_ids.remote(block, wanted) for block in blocks if ids])
    return {one: image for part in parts for one, image in part.items()}


@ray.remote
def _of_ids(block: pa.Table, wanted: pa.Array) -> dict[str, np.ndarray]:
    """Those of one block."""
    rows = block.filter(pc.is_in(block["id"], wanted))
    images = images_of(rows["image"])
    return dict(zip(rows["id"].to_pylist(), images.copy(), strict=True))
