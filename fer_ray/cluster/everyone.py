"""Every face of an input, with the side that it would stand on or none, in the object store.

Nothing is dropped: of faces as ``prepare`` reads them, before its duplicate rule, or of a dataset
that it made, whose sides stay as they are.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

import pyarrow as pa
import ray

from fer_ray.cluster import dataset, prepared, reading, source
from fer_ray.cluster.ranges import in_order, rows_of
from fer_ray.cluster.stream import Faces
from fer_ray.config import PrepareConfig, SplitConfig
from fer_ray.faces import sides
from fer_ray.faces.rows import SCHEMA
from fer_ray.faces.sides import Census
from fer_ray.inspection import AuditJobConfig
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
    blocks, census = _read(uri, config)
    census.check(config.data)
    roles = sides.roles_of(config.split, census.usages)
    split = config.split.model_copy(update={"deduplicate": False})
    return Everyone(
        [_with_sides.remote(block, split, roles) for block in blocks],
        census.refused,
        config.split.deduplicate,
        config.split.protocol,
    )


def unsplit(config: PrepareConfig) -> tuple[Faces, dict[str, Any]]:
    """The faces at ``data.uri``, of whatever emotions, on no side; and what is told of them.

    Raises:
        ValueError: the input is unusable, or holds no face.
    """
    uri = str(config.data.uri)
    source.check_source(uri)
    blocks, census = _read(uri, config)
    told: list[list[tuple[str, int]]] = ray.get([_named.remote(block) for block in blocks])
    labels: dict[str, list[int]] = {}
    for face, label in chain.from_iterable(told):
        labels.setdefault(face, []).append(label)
    copies = [some for some in labels.values() if len(some) > 1]
    facts = {
        "refused_rows": census.refused,
        "duplicates": {
            "groups": len(copies),
            "faces": sum(map(len, copies)),
            "contradicting_groups": sum(len(set(some)) > 1 for some in copies),
        },
        "content": hashlib.sha256(repr(sorted(labels.items())).encode()).hexdigest(),
    }
    return Faces(blocks, list(map(len, told))), facts


def _read(uri: str, config: PrepareConfig) -> tuple[list["ray.ObjectRef[pa.Table]"], Census]:
    """The faces in order of (id, source), and the census of what was read."""
    raw = reading.read_all(uri, config.data)
    census = sum(ray.get([_census.remote(block) for block in raw]), Census())
    census.check_refused(config.data)
    rows = rows_of(raw).map_batches(sides.accepted, batch_size=None, batch_format="pyarrow")
    return in_order(rows, census.faces), census


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
def _named(rows: pa.Table) -> list[tuple[str, int]]:
    """Id and label of each face of a block."""
    return list(zip(rows["id"].to_pylist(), rows["label"].to_pylist(), strict=True))


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
