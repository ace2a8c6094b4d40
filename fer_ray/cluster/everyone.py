"""Every face of an input with the side that it would stand on, as blocks in the object store.

Nothing is dropped: of faces as ``prepare`` reads them, before its duplicate rule, or of a dataset
that it made, whose sides stay as they are.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import ray

from fer_ray.cluster import dataset, prepared, reading, source
from fer_ray.cluster.ranges import in_order, rows_of
from fer_ray.config import AuditJobConfig, SplitConfig
from fer_ray.faces import sides
from fer_ray.faces.rows import SCHEMA
from fer_ray.faces.sides import Census
from fer_ray.runs.layout import SIDES


@dataclass(frozen=True)
class Everyone:
    """All faces, in order of (id, source), with their ``side`` and ``usage``."""

    blocks: list["ray.ObjectRef[pa.Table]"]
    refused: int  # rows that are no faces
    deduplicate: bool  # whether training would see them without what the duplicate rule drops
    protocol: str  # of the split


def everyone(config: AuditJobConfig) -> Everyone:
    """The faces at ``data.uri``; of the ``paper`` protocol those that it makes of them.

    Raises:
        ValueError: the input is unusable, or the dataset is broken.
    """
    uri = str(config.data.uri)
    if uri != source.DEMO and prepared.is_prepared(uri, "data.uri"):
        return _of_dataset(prepared.open_prepared(uri))
    if config.split.protocol == "paper":  # which makes faces before it splits
        return _of_dataset(dataset.prepare(config))
    source.check_source(uri)
    raw = reading.read_all(uri, config.data)
    census = sum(ray.get([_census.remote(block) for block in raw]), Census())
    census.check(config.data)
    roles = sides.roles_of(config.split, census.usages)
    rows = rows_of(raw).map_batches(sides.accepted, batch_size=None, batch_format="pyarrow")
    split = config.split.model_copy(update={"deduplicate": False})
    blocks = in_order(rows, census.faces)
    return Everyone(
        [_with_sides.remote(block, split, roles) for block in blocks],
        census.refused,
        config.split.deduplicate,
        config.split.protocol,
    )


def _of_dataset(data: prepared.Prepared) -> Everyone:
    """The faces of a dataset, whose duplicate rule has done what it does."""
    parts = {side: prepared.side_blocks(data, side) for side in SIDES}
    blocks = [_of_side.remote(block, side) for side in SIDES for block in parts[side].blocks]
    count = sum(part.count for part in parts.values())
    settings: Mapping[str, Any] = data.manifest["settings"].get("split", {})
    return Everyone(
        in_order(rows_of(blocks), count),
        data.manifest["refused_rows"],
        deduplicate=False,
        protocol=str(settings.get("protocol", "unknown")),
    )


@ray.remote
def _census(raw: pa.Table) -> Census:
    """What was read in one block."""
    return Census.of(raw)


@ray.remote
def _with_sides(rows: pa.Table, split: SplitConfig, roles: Mapping[str, str]) -> pa.Table:
    """The faces of one range with their sides; none is dropped."""
    faces, _ = sides.resolve(rows, split, roles)
    return faces.append_column("usage", rows["usage"])


@ray.remote
def _of_side(rows: pa.Table, side: str) -> pa.Table:
    """The faces of one file of a dataset."""
    some = rows.select(SCHEMA.names)
    for name, value in (("side", side), ("usage", "")):
        some = some.append_column(name, pa.array([value] * len(rows), pa.string()))
    return some
