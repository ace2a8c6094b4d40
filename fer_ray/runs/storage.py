"""The storage behind a URI: files read and written whole, on this machine or in an object store.

No other room makes a filesystem. A key that can be read was written whole: locally under another
name first, in an object store by one request that takes effect at its end. Credentials are the
environment's (the standard AWS and Google ones), never part of a URI.
"""

import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self
from urllib.parse import parse_qsl, quote, urlsplit

import pyarrow as pa
import pyarrow.fs as pafs

from fer_ray.config import local_path
from fer_ray.runs.faults import PASSING, BusyError, MissingError, StorageError, reason

_PART = re.compile(r"(.*/)?\.[^/]*\.[0-9a-f]{16}\.part")  # what a killed local write leaves
# Keys may hold what a URI may not: spaces, accents, '#'. An escape (%20) stays one.
_OPTIONS = {"endpoint_override", "region", "scheme"}  # of a URI; none of them is a secret
_ALLOWED = "/%@:!$&'()*+,;=~"


def is_local(uri: str) -> bool:
    """Whether ``uri`` is a path on this machine, which other machines may not share."""
    return local_path(uri) is not None


def is_relative(uri: str) -> bool:
    """Whether ``uri`` is a path that means something else in another current folder."""
    path = local_path(uri)
    return path is not None and not Path(path).expanduser().is_absolute()


def absolute(uri: str) -> str:
    """``uri`` as any process reads it: a path from the root, or another scheme's URI as it is."""
    path = local_path(uri)
    return uri if path is None else os.path.abspath(Path(path).expanduser())


def join(uri: str, *parts: str) -> str:
    """``uri`` with ``parts`` added to its path; a query stays at the end."""
    path, mark, query = (uri, "", "") if is_local(uri) else uri.partition("?")
    return "/".join([path.rstrip("/"), *parts]) + mark + query


@dataclass(frozen=True)
class Entry:
    """One stored file: its key, and its size in bytes."""

    key: str
    size: int


@dataclass(frozen=True)
class Store:
    """A folder of some storage: keys are relative to it, and it need not exist before a write.

    Every method raises ``StorageError`` where the storage refuses, in one sentence that begins with
    ``setting``.
    """

    filesystem: pafs.FileSystem
    root: str
    uri: str
    setting: str = "storage.uri"

    @property
    def local(self) -> bool:
        """Whether this is a folder of this machine."""
        return isinstance(self.filesystem, pafs.LocalFileSystem)

    def folder(self, *parts: str) -> Self:
        """The store of a folder within this one."""
        return replace(self, root="/".join([self.root, *parts]), uri=join(self.uri, *parts))

    def path(self, key: str) -> str:
        """Where ``key`` is on ``filesystem``, for readers that take a path."""
        return f"{self.root.rstrip('/')}/{key}" if key else self.root

    @contextmanager
    def told(self, need: str) -> Iterator[None]:
        """Turns what goes wrong inside into ``{setting} must be {need}, got {uri}: {reason}``."""
        try:
            yield
        except (OSError, pa.ArrowException) as error:
            shown = self.uri if self.local else self.uri.partition("?")[0]
            told = reason(error)
            sentence = f"{self.setting} must be {need}, got {shown}: {told}"
            kind = BusyError if told in PASSING else StorageError
            raise kind(sentence) from error

    def exists(self, key: str) -> bool:
        """Whether a file of this key has been written."""
        with self.told("readable"):
            info = self.filesystem.get_file_info(self.path(key))
        return bool(info.type == pafs.FileType.File)

    def read_bytes(self, key: str) -> bytes:
        """The whole content of ``key``; ``MissingError`` if it is not there."""
        with self.told("readable"):
            try:
                with self.filesystem.open_input_file(self.path(key)) as stream:
                    return bytes(stream.read())
            except FileNotFoundError as error:
                raise MissingError(f"{join(self.uri, key)} must be there, got nothing") from error

    def write_bytes(self, key: str, data: bytes) -> None:
        """Writes ``key``, making its folders; a reader sees all of it or what was there before."""
        with self.told("writable"):
            if self.local:
                _write_beside(Path(self.path(key)), data)
                return
            with self.filesystem.open_output_stream(self.path(key)) as stream:
                stream.write(data)

    def delete_file(self, key: str) -> None:
        """Deletes ``key``, if it is there."""
        with self.told("writable"), suppress(FileNotFoundError):
            self.filesystem.delete_file(self.path(key))

    def delete_folder(self, prefix: str) -> None:
        """Deletes every key under the folder ``prefix``, if there are any; not in one instant."""
        with self.told("writable"), suppress(FileNotFoundError):
            self.filesystem.delete_dir(self.path(prefix))

    def listing(self, prefix: str = "") -> list[Entry]:
        """Every file under the folder ``prefix``, in order of key; none where there is no folder.

        Names that a write has not finished are left out.
        """
        under = pafs.FileSelector(self.path(prefix), recursive=True, allow_not_found=True)
        with self.told("readable"):
            infos = self.filesystem.get_file_info(under)
        start = len(self.path("x")) - 1
        files = (info for info in infos if info.type == pafs.FileType.File)
        entries = (Entry(info.path[start:], info.size) for info in files)
        whole = (entry for entry in entries if not _PART.fullmatch(entry.key))
        return sorted(whole, key=lambda entry: entry.key)


def store(uri: str, setting: str = "storage.uri") -> Store:
    """The storage at ``uri``, of which ``setting`` is the name that the user knows.

    Nothing is made, and of object stores nothing but a bucket's region is asked.

    Raises:
        StorageError: no such kind of storage, or credentials in the URI.
    """
    uri = absolute(uri)
    if is_local(uri):
        return Store(pafs.LocalFileSystem(), uri, uri, setting)
    shown = uri.partition("?")[0]
    scheme, _, rest = shown.partition("://")
    if scheme not in ("s3", "gs") or not rest.strip("/"):
        known = "a path, file:///FOLDER, s3://BUCKET/FOLDER or gs://BUCKET/FOLDER"
        raise StorageError(f"{setting} must be {known}, got {shown.rpartition('@')[2]}")
    _refuse_credentials(uri, setting)
    query = uri.partition("?")[2]
    # A small object is one request with a delayed open; without, it is three.
    extra = {"s3": "allow_delayed_open=true", "gs": "retry_limit_seconds=60"}[scheme]
    if extra.partition("=")[0] not in dict(parse_qsl(query)):
        query = f"{query}&{extra}" if query else extra
    address = f"{scheme}://{quote(rest, safe=_ALLOWED)}?{query}"
    found = Store(pafs.LocalFileSystem(), "", uri, setting)
    with found.told("an address of storage"):
        filesystem, root = pafs.FileSystem.from_uri(address)
    return replace(found, filesystem=filesystem, root=root.rstrip("/"))


def check_writable(uri: str, setting: str = "storage.uri") -> None:
    """Writes and deletes a small file, so that what forbids it is known before the work begins.

    Raises:
        StorageError: it may not be written there, said in one sentence.
    """
    probe = f".probe-{secrets.token_hex(8)}"
    there = store(uri, setting)
    there.write_bytes(probe, b"")
    there.delete_file(probe)


def _refuse_credentials(uri: str, setting: str) -> None:
    """Credentials in a URI would end up in saved settings, logs and outcomes."""
    parts = urlsplit(uri)
    endpoint = dict(parse_qsl(parts.query)).get("endpoint_override", "")
    unknown = set(dict(parse_qsl(parts.query))) - _OPTIONS
    if unknown:
        raise StorageError(
            f"{setting} must have no options but {', '.join(sorted(_OPTIONS))},"
            f" got {', '.join(sorted(unknown))}"
        )
    anonymous = parts.scheme == "gs" and parts.netloc.startswith("anonymous@")
    if ("@" in parts.netloc and not anonymous) or "@" in endpoint:
        raise StorageError(
            f"{setting} must hold no credentials (they belong in the environment),"
            f" got some for {parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        )


def _write_beside(path: Path, data: bytes) -> None:
    """Writes a local file under another name, then gives it its own, which takes one instant."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
    try:
        with part.open("xb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
