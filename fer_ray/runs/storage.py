"""The storage behind a URI: files read and written whole, on this machine or in an object store.

No other room makes a filesystem. A key that can be read was written whole: locally under another
name first, in an object store by one request that takes effect at its end. Credentials are the
environment's (the standard AWS and Google ones), never part of a URI. Storage that is busy or out
of reach is asked again for a while, which the log tells.
"""

import os
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self, TypeVar
from urllib.parse import parse_qsl, quote

import pyarrow as pa
import pyarrow.fs as pafs

from fer_ray.names import absolute
from fer_ray.runs.faults import PASSING, BusyError, MissingError, StorageError, reason
from fer_ray.runs.patience import again
from fer_ray.runs.uris import is_local, join, refuse_credentials

_PART = re.compile(r"(.*/)?\.[^/]*\.[0-9a-f]{16}\.part")  # what a killed local write leaves
_BUCKET = re.compile(r"(anonymous@)?[A-Za-z0-9][A-Za-z0-9._-]*")
# Keys may hold what a URI may not: spaces, accents, '#'. An escape (%20) stays one.
_ALLOWED = "/%@:!$&'()*+,;=~"

T = TypeVar("T")


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
    patient: bool = True
    may: Callable[[], None] | None = None  # see ``guarded``

    @property
    def local(self) -> bool:
        """Whether this is a folder of this machine."""
        return isinstance(self.filesystem, pafs.LocalFileSystem)

    def folder(self, *parts: str) -> Self:
        """The store of a folder within this one."""
        return replace(self, root="/".join([self.root, *parts]), uri=join(self.uri, *parts))

    def hasty(self) -> Self:
        """The same folder, for who would rather be refused than wait for storage that is busy."""
        return replace(self, patient=False)

    def guarded(self, may: Callable[[], None]) -> Self:
        """The same folder, for who may lose it meanwhile.

        ``may``, which then raises, is asked before a write that met busy storage is tried again.
        """
        return replace(self, may=may)

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

    def tried(self, need: str, call: Callable[[], T]) -> T:
        """What ``call`` gives; while the storage is busy it is called again, with growing pauses.

        What goes wrong is ``told``; a ``hasty`` store raises that at once.
        """

        def telling() -> T:
            with self.told(need):
                return call()

        may = self.may if need == "writable" else None
        return again(telling, patient=self.patient, may=may)

    def exists(self, key: str) -> bool:
        """Whether a file of this key has been written."""
        info = self.tried("readable", lambda: self.filesystem.get_file_info(self.path(key)))
        return bool(info.type == pafs.FileType.File)

    def read_bytes(self, key: str) -> bytes:
        """The whole content of ``key``; ``MissingError`` if it is not there."""

        def read() -> bytes:
            try:
                with self.filesystem.open_input_file(self.path(key)) as stream:
                    return bytes(stream.read())
            except FileNotFoundError as error:
                raise MissingError(f"{join(self.uri, key)} must be there, got nothing") from error

        return self.tried("readable", read)

    def write_bytes(self, key: str, data: bytes) -> None:
        """Writes ``key``, making its folders; a reader sees all of it or what was there before."""

        def write() -> None:
            if self.local:
                write_beside(Path(self.path(key)), data)
                return
            with self.filesystem.open_output_stream(self.path(key)) as stream:
                stream.write(data)

        self.tried("writable", write)

    def delete_file(self, key: str) -> None:
        """Deletes ``key``, if it is there."""

        def delete() -> None:
            with suppress(FileNotFoundError):
                self.filesystem.delete_file(self.path(key))

        self.tried("writable", delete)

    def delete_folder(self, prefix: str) -> None:
        """Deletes every key under the folder ``prefix``, if there are any; not in one instant."""

        def delete() -> None:
            with suppress(FileNotFoundError):
                self.filesystem.delete_dir(self.path(prefix))

        self.tried("writable", delete)

    def listing(self, prefix: str = "") -> list[Entry]:
        """Every file under the folder ``prefix``, in order of key; none where there is no folder.

        Names that a write has not finished are left out.
        """
        return [entry for entry in self._files(prefix) if not _PART.fullmatch(entry.key)]

    def unfinished(self) -> list[str]:
        """What ``listing`` leaves out: writes that are under way, or whose process was killed."""
        return [entry.key for entry in self._files("") if _PART.fullmatch(entry.key)]

    def _files(self, prefix: str) -> list[Entry]:
        under = pafs.FileSelector(self.path(prefix), recursive=True, allow_not_found=True)
        infos = self.tried("readable", lambda: self.filesystem.get_file_info(under))
        start = len(self.path("x")) - 1
        files = (info for info in infos if info.type == pafs.FileType.File)
        entries = (Entry(info.path[start:], info.size) for info in files)
        return sorted(entries, key=lambda entry: entry.key)


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
    refuse_credentials(uri, setting)
    if not _BUCKET.fullmatch(rest.partition("/")[0]):  # else it would be waited for, as a host
        signs = "letters, digits, dots, dashes and underscores"
        raise StorageError(f"{setting} must name a bucket, of {signs}, got {shown}")
    query = uri.partition("?")[2]
    # A small object is one request with a delayed open; without, it is three.
    extra = {"s3": "allow_delayed_open=true", "gs": "retry_limit_seconds=60"}[scheme]
    if extra.partition("=")[0] not in dict(parse_qsl(query)):
        query = f"{query}&{extra}" if query else extra
    address = f"{scheme}://{quote(rest, safe=_ALLOWED)}?{query}"
    found = Store(pafs.LocalFileSystem(), "", uri, setting)
    # An object store may be asked here already, where the bucket is.
    filesystem, root = found.tried(
        "an address of storage", lambda: pafs.FileSystem.from_uri(address)
    )
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


def write_beside(path: Path, data: bytes) -> None:
    """Write a local file under another name, then give it its own, which takes one instant.

    Its content is on the disk by then: a machine that loses power has the old file or the new.
    """
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
