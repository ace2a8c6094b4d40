"""A prepared dataset: Parquet files, a folder a side, and the manifest that makes it whole.

A file that its manifest does not name, or names with another size or content, is not read; nor is
one whose rows are not faces, for the manifest may be a stranger's.
"""

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Self

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import ray
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    ValidationError,
    model_validator,
)

from fer_ray.cluster.stream import Faces
from fer_ray.faces.emotions import EMOTIONS
from fer_ray.faces.rows import SCHEMA
from fer_ray.faces.votes import ANSWERS
from fer_ray.runs import layout
from fer_ray.runs.promises import first_fault
from fer_ray.runs.storage import store

_PART = r"^(?:(?:train|validation|test)/part-[0-9]{5,}|refused)\.parquet$"
_Count = Annotated[int, Field(ge=0, le=2**53)]


class _File(BaseModel):
    """What a manifest says of one file."""

    model_config = ConfigDict(strict=True)

    name: str = Field(pattern=_PART)
    rows: _Count
    bytes: _Count
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


def _by_side_and_emotion(counts: dict[str, dict[str, int]]) -> dict[str, dict[str, int]]:
    if set(counts) != set(layout.SIDES) or any(
        set(one) != set(EMOTIONS) for one in counts.values()
    ):
        raise ValueError("must be of every side and emotion")
    return counts


def _in_sections(settings: dict[str, Any]) -> dict[str, Any]:
    if any(isinstance(value, dict) == (name == "seed") for name, value in settings.items()):
        raise ValueError("all but seed must be sections")
    return settings


class _Manifest(BaseModel):
    """What is read of a manifest, wherever it comes from."""

    model_config = ConfigDict(strict=True)

    settings: Annotated[dict[str, dict[str, JsonValue] | _Count], AfterValidator(_in_sections)]
    counts: Annotated[dict[str, dict[str, _Count]], AfterValidator(_by_side_and_emotion)]
    leaky: bool
    validation: str | None
    duplicates: dict[str, _Count]
    rows: _Count
    refused_rows: _Count
    content: str
    files: list[_File]

    @model_validator(mode="after")
    def _counts_its_files(self) -> Self:
        for side, counts in self.counts.items():
            rows = sum(file.rows for file in self.files if file.name.startswith(f"{side}/"))
            if sum(counts.values()) != rows:
                raise ValueError(f"counts of {side} must sum to its files' {rows} rows")
        return self


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
        names = ("counts", "refused_rows", "duplicates", "leaky", "validation", "content")
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
    another = f"{setting} must hold a prepared dataset's {layout.MANIFEST}, got {there.uri}"
    content = there.read_bytes(layout.MANIFEST)
    try:
        manifest = json.loads(content.decode())
        version = manifest["schema_version"]
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        raise ValueError(another) from error
    if version != layout.SCHEMA_VERSION:
        raise ValueError(
            f"{setting} must be a dataset of schema version {layout.SCHEMA_VERSION},"
            f" got {version!r:.60} in {there.uri}"
        )
    try:
        _Manifest.model_validate(manifest)
    except ValidationError as error:
        raise ValueError(f"{another}, with {first_fault(error)}") from error
    sizes = {entry.key: entry.size for entry in there.listing()}
    for file in manifest["files"]:
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


def read_part(uri: str, setting: str, file: Mapping[str, Any]) -> pa.Table:
    """The rows of one file, as its manifest describes it in ``file``.

    Raises:
        ValueError: its content is not what the manifest says, or no faces.
    """
    content = store(uri, setting).read_bytes(file["name"])
    if hashlib.sha256(content).hexdigest() != file["sha256"]:
        raise ValueError(
            f"{setting} must hold a prepared dataset that is whole, got other bytes in"
            f" {file['name']} of {uri}{_mend(setting)}"
        )
    try:
        return faces_of(content, file["rows"])
    except ValueError as error:
        raise ValueError(
            f"{setting} must hold a prepared dataset of faces, got {file['name']} of {uri}:"
            f" {error}{_mend(setting)}"
        ) from error


@ray.remote
def _read_part(uri: str, setting: str, file: Mapping[str, Any]) -> pa.Table:
    return read_part(uri, setting, file)


def faces_of(content: bytes, rows: int) -> pa.Table:
    """The faces in the ``content`` of one file, of which there must be ``rows``.

    Raises:
        ValueError: it holds something else.
    """
    try:
        footer = pq.read_metadata(io.BytesIO(content))
        schema = footer.schema.to_arrow_schema()
    except (OSError, ValueError, TypeError, LookupError, AttributeError) as error:
        raise ValueError("it must be Parquet that can be read") from error
    if not schema.equals(SCHEMA) or footer.num_rows != rows:
        got = f"{footer.num_rows} rows of {', '.join(schema.names)!r:.80}"
        raise ValueError(f"it must hold {rows} faces, got {got}")
    try:
        table = pq.read_table(io.BytesIO(content)).combine_chunks()
    except (OSError, pa.ArrowException) as error:
        raise ValueError("it must be Parquet that can be read") from error
    empty = [name for name in ("id", "label", "image", "origin") if table[name].null_count]
    if empty or len(table) != rows:
        raise ValueError(f"it must hold {rows} faces, got {len(table)}, some without {empty}")
    if not pc.all(pc.is_in(table["label"], pa.array(range(len(EMOTIONS)), pa.int8()))).as_py():
        raise ValueError(f"its labels must be 0 to {len(EMOTIONS) - 1}, got others")
    if not pc.all(pc.match_substring_regex(table["id"], "^[0-9a-f]{32}$")).as_py():
        raise ValueError("its ids must be of 32 hex digits, got others")
    votes = table["votes"].drop_null()
    if len(votes) and (
        pc.any(pc.not_equal(pc.list_value_length(votes), len(ANSWERS))).as_py()
        or pc.list_flatten(votes).null_count
    ):
        raise ValueError(f"its votes must be {len(ANSWERS)} counts a face, got others")
    return table
