"""What lies at ``data.uri``: its kind and its files, told from names, sizes and heads alone.

Everything that is wrong with an input as a whole is found here, before a task starts.
"""

import hashlib
import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from fer_ray.faces import folders
from fer_ray.faces.columns import Columns, csv_columns, parquet_columns
from fer_ray.runs.storage import Store, store

DEMO = "demo:"
Kind = Literal["csv", "images", "parquet"]

_SUFFIXES: dict[Kind, tuple[str, ...]] = {
    "csv": (".csv",),
    "images": folders.IMAGE_SUFFIXES,
    "parquet": (".parquet", ".pq"),
}
_HEADER_BYTES = 2**16


@dataclass(frozen=True)
class File:
    """One file: where it is for its filesystem, and its name relative to ``data.uri``."""

    path: str
    name: str
    size: int
    modified_ns: int


@dataclass(frozen=True)
class Source:
    """Files of one kind, in order of name."""

    kind: Kind
    store: Store
    files: tuple[File, ...]


def find(uri: str) -> Source:
    """What faces ``uri`` holds; names and sizes are looked at, no content.

    Raises:
        ValueError: there is nothing, nothing that can be read, or more than one kind.
    """
    there = store(uri, "data.uri")
    files = _listed(there)
    found = {kind: [f for f in files if _ends(f, kind)] for kind in _SUFFIXES}
    if found["parquet"] and (found["images"] or found["csv"]):
        counts = ", ".join(f"{len(some)} {kind}" for kind, some in found.items() if some)
        raise ValueError(f"data.uri must hold files of one kind, got {counts} in {there.uri}")
    if found["parquet"]:
        return Source("parquet", there, tuple(found["parquet"]))
    if found["images"] and files[0].path != there.root:
        return Source("images", there, tuple(files))  # other files among images are refused rows
    if found["csv"]:
        return Source("csv", there, tuple(found["csv"]))
    got = f"{len(files)} other files" if files else "nothing"
    raise ValueError(
        "data.uri must hold PNG or JPEG images in class folders, .csv or .parquet files,"
        f" got {got} in {there.uri}"
    )


def found(uri: str) -> Source | None:
    """What ``find`` finds; drawn faces have no files."""
    return None if uri == DEMO else find(uri)


def fingerprint(found: Source | None) -> str:
    """A digest of names, sizes and times of change; ``None``: of drawn faces, which have none."""
    digest = hashlib.blake2b(digest_size=16)
    for file in found.files if found else ():
        digest.update(f"{file.name}\0{file.size}\0{file.modified_ns}\0".encode())
    return digest.hexdigest()


def check_unchanged(uri: str, found: Source | None) -> None:
    """Return if all files that were ``found`` are there as they were; more may have come.

    Raises:
        ValueError: one is not: what was read of it may be of both.
    """
    now = {file.name: file for file in find(uri).files} if found else {}
    for file in found.files if found else ():
        if now.get(file.name) != file:
            told = "another" if file.name in now else "none"
            raise ValueError(
                "data.uri must hold each file unchanged until all are read, got"
                f" {told} in the place of {file.name}"
            )


def check_source(uri: str) -> None:
    """Refuses an input that is wrong as a whole, having read no more than heads.

    Raises:
        ValueError: missing, empty, unreadable with the credentials at hand; a header or folder
            that tells no emotion.
    """
    if uri == DEMO:
        return
    source = find(uri)
    if source.kind == "images":
        folders.labels([file.name for file in source.files])
        head(source.store, source.files[0], 1)  # to list may be allowed where to read is not
        return
    if source.kind == "csv":
        sizes = [file.size - len(csv_header(source.store, file)[0]) for file in source.files]
        some = any(sizes)
    else:
        some = any(any(parquet_groups(source.store, file)) for file in source.files)
    if not some:
        raise ValueError(f"data.uri must hold faces, got no rows in {source.store.uri}")


def csv_header(there: Store, file: File) -> tuple[bytes, Columns]:
    """The first line of a csv, its end included, and where it says that the columns are.

    Raises:
        ValueError: it names no labels or no pixels.
    """
    line, end, _ = head(there, file, _HEADER_BYTES).partition(b"\n")
    try:
        return line + end, csv_columns(line)
    except ValueError as error:
        raise ValueError(f"{error} in {file.name}") from error


def parquet_groups(there: Store, file: File) -> list[int]:
    """How many rows each row group of a Parquet file has.

    Raises:
        ValueError: it is not Parquet, or has no labels or images.
    """
    footer, schema = there.tried(
        f"Parquet that can be read ({file.name})", partial(_footer, there, file)
    )
    try:
        parquet_columns(schema)
    except ValueError as error:
        raise ValueError(f"{error} in {file.name}") from error
    return [footer.row_group(group).num_rows for group in range(footer.num_row_groups)]


def _footer(there: Store, file: File) -> tuple[pq.FileMetaData, pa.Schema]:
    try:
        footer = pq.read_metadata(file.path, filesystem=there.filesystem)
        return footer, footer.schema.to_arrow_schema()
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        # Python's, over names that are not UTF-8; Ray Data's, over what is said of its own types.
        raise pa.ArrowInvalid("a schema must be one that can be read") from error


def head(there: Store, file: File, size: int) -> bytes:
    """The first ``size`` bytes of a file."""

    def read() -> bytes:
        with there.filesystem.open_input_stream(file.path) as stream:
            return bytes(stream.read(size))

    return there.tried("readable", read)


def _listed(there: Store) -> list[File]:
    """All files under ``there``, or itself; what file browsers leave behind is passed over."""
    look = there.filesystem.get_file_info
    root = there.tried("readable", lambda: look(there.root))
    if root.type == pafs.FileType.NotFound:
        raise ValueError(f"data.uri must be an existing file or folder, got {there.uri}")
    if root.type == pafs.FileType.File:
        return [_file(root, there.root.rpartition("/")[0])]
    under = pafs.FileSelector(there.root, recursive=True)
    try:
        infos = there.tried("readable", lambda: look(under))
        files = [_file(info, there.root) for info in infos if info.type == pafs.FileType.File]
        files += there.tried("readable", partial(_missing, there.root)) if there.local else []
    except UnicodeError as error:
        raise ValueError(
            f"data.uri must hold files whose names are UTF-8, got others in {there.uri}"
        ) from error
    return sorted(
        (file for file in files if not folders.is_litter(file.name)), key=lambda file: file.name
    )


def _missing(root: str) -> list[File]:
    """Links under ``root`` whose target is missing, as empty files, which become refused rows.

    Arrow's selector leaves out what it can't stat: of a half-fetched folder of git-annex or DVC,
    the other half would vanish uncounted. Links to folders are followed, as Arrow follows them.
    """
    found, unseen = [], [root]
    while unseen:
        with os.scandir(unseen.pop()) as entries:
            for entry in entries:
                if folders.is_litter(entry.name):
                    continue
                target = Path(entry.path) if entry.is_symlink() else None  # only links are stat'ed
                if target.is_dir() if target else entry.is_dir():
                    unseen.append(entry.path)
                elif target and not target.exists():
                    name = entry.path[len(root.rstrip("/")) + 1 :]
                    name.encode()  # raises where a name is not UTF-8
                    found.append(File(os.devnull, name, 0, 0))
    return found


def _file(info: pafs.FileInfo, root: str) -> File:
    name = info.path[len(root.rstrip("/")) + 1 :]
    return File(info.path, name, info.size, info.mtime_ns or 0)


def _ends(file: File, kind: Kind) -> bool:
    return file.name.lower().endswith(_SUFFIXES[kind])
