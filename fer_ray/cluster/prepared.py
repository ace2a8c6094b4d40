"""A prepared dataset: Parquet files, a folder a side, and the manifest that makes it whole.

A file that its manifest does not name, or names with another size or content, is not read.
"""

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import ray

from fer_ray.cluster.stream import Faces
from fer_ray.runs import layout
from fer_ray.runs.storage import store


@dataclass(frozen=True)
class Prepared:
    """A whole prepared dataset; ``already_done`` if nothing had to be written for it.

    ``setting`` is the one that leads to it, and to blame if it is damaged.
    """

    uri: str
    manifest: Mapping[str, Any]
    setting: str
    already_done: bool = True

    @property
    def counts(self) -> Mapping[str, Mapping[str, int]]:
        """Faces by side and emotion."""
        counts: Mapping[str, Mapping[str, int]] = self.manifest["counts"]
        return counts

    def facts(self) -> dict[str, Any]:
        """What a job's outcome says of the dataset."""
        names = ("counts", "refused_rows", "duplicates", "leaky", "validation")
        return {name: self.manifest[name] for name in names}

    @property
    def leaky(self) -> bool:
        """Whether its sides were balanced before they were split."""
        return bool(self.manifest["leaky"])


def is_prepared(uri: str, setting: str) -> bool:
    """Whether there is a manifest at ``uri``."""
    return store(uri, setting).exists(layout.MANIFEST)


def open_prepared(uri: str, setting: str = "data.uri") -> Prepared:
    """The prepared dataset at ``uri``, its files found to be there in full size.

    Raises:
        ValueError: the manifest is another version's or no dataset's, or a file is not as it says.
    """
    there = store(uri, setting)
    try:
        manifest = json.loads(there.read_bytes(layout.MANIFEST))
        version, files = manifest["schema_version"], manifest["files"]
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(
            f"{setting} must hold a prepared dataset's {layout.MANIFEST}, got {there.uri}"
        ) from error
    if version != layout.SCHEMA_VERSION:
        raise ValueError(
            f"{setting} must be a dataset of schema version {layout.SCHEMA_VERSION}, got {version}"
            f" in {there.uri}"
        )
    sizes = {entry.key: entry.size for entry in there.listing()}
    for file in files:
        if sizes.get(file["name"]) != file["bytes"]:
            raise ValueError(
                f"{setting} must hold a prepared dataset that is whole, got"
                f" {sizes.get(file['name'], 'none')} of the {file['bytes']} bytes of"
                f" {file['name']} of {there.uri}{_mend(setting)}"
            )
    return Prepared(there.uri, manifest, setting)


def _mend(setting: str) -> str:
    """What may be done about a damaged dataset, if it is one of our own making."""
    return "; delete that folder to have it made anew" if setting == "storage.uri" else ""


def side_blocks(prepared: Prepared, side: str) -> Faces:
    """The faces of one side in order of (id, source), read by tasks: one block a file."""
    files = [file for file in prepared.manifest["files"] if file["name"].startswith(f"{side}/")]
    blocks = [_read_part.remote(prepared.uri, prepared.setting, file) for file in files]
    return Faces(blocks, [file["rows"] for file in files])


@ray.remote
def _read_part(uri: str, setting: str, file: Mapping[str, Any]) -> pa.Table:
    """The rows of one file, if its content is what the manifest says."""
    content = store(uri, setting).read_bytes(file["name"])
    if hashlib.sha256(content).hexdigest() != file["sha256"]:
        raise ValueError(
            f"{setting} must hold a prepared dataset that is whole, got other bytes in"
            f" {file['name']} of {uri}{_mend(setting)}"
        )
    return pq.read_table(io.BytesIO(content)).combine_chunks()


def write_part(uri: str, name: str, rows: pa.Table) -> dict[str, Any]:
    """Writes ``rows`` as Parquet, and returns what the manifest says of the file.

    The bytes follow from the rows and pyarrow's version alone.
    """
    buffer = io.BytesIO()
    pq.write_table(
        rows.combine_chunks(),
        buffer,
        compression="zstd",
        use_dictionary=["label", "origin"] if "label" in rows.column_names else False,
        write_statistics=["id"] if "id" in rows.column_names else False,
    )
    content = buffer.getvalue()
    store(uri).write_bytes(name, content)
    return {
        "name": name,
        "rows": len(rows),
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
