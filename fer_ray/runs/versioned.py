"""One small object that changes only from a version that was read: what decides who was first.

Where the storage has conditional writes (S3's ``If-None-Match: *`` and ``If-Match``, a lock on a
local disk) they decide, whoever is slow or paused. Where it has not (swift answers 501, ``gs://``
is not asked), the last of several writers at once is believed, after a while that outlasts a
write: weaker, since a writer that is paused between its look and its write goes unseen.
"""

import fcntl
import hashlib
import secrets
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal, Protocol
from urllib.parse import parse_qsl

import boto3
import botocore.config
import botocore.exceptions

from fer_ray.runs.faults import BusyError, MissingError, StorageError
from fer_ray.runs.patience import again
from fer_ray.runs.storage import Store, write_beside

LOCK_S = 10.0  # what is done under a lock takes milliseconds
SETTLE_S = 2.0  # how long after a write without conditions another may still be under way
_NOBODYS_TAG = '"00000000000000000000000000000000"'
_CHANGED = {404, 409, 412}  # status of a conditional write that found another version
_PASSING = {"SlowDown", "ServiceUnavailable", "InternalError", "RequestTimeout", "503", "500"}


@dataclass(frozen=True)
class Version:
    """Content as it was read or written, and what the storage tells this version by."""

    content: bytes
    tag: str


Rule = Literal["lock", "conditions", "last"]
RULES: Mapping[Rule, str] = {
    "lock": "a lock on this machine's disk decides between two owners",
    "conditions": "the storage's conditional writes decide between two owners",
    "last": "the storage has no conditional writes: of two owners the last to write is believed",
}


class Register(Protocol):
    """An object that is changed from one version to the next."""

    def read(self) -> Version | None:
        """The object as it is; ``None`` if there is none."""

    def write(self, content: bytes, after: Version | None) -> Version | None:
        """The new version, if the object was still ``after`` (``None``: not there); else ``None``.

        Raises:
            StorageError: the storage refuses.
        """


def strongest(folder: Store, key: str) -> Rule:
    """The strongest rule that the storage of ``folder`` has, found by trying it beside ``key``."""
    if folder.local:
        return "lock"
    conditions = folder.uri.startswith("s3://") and _Conditional(folder, key).obeyed()
    return "conditions" if conditions else "last"


def register(folder: Store, key: str, rule: Rule) -> Register:
    """The object ``key`` of ``folder``, changed by ``rule``; all its writers must follow one."""
    if rule == "lock":
        return _Local(folder, key)
    return _Conditional(folder, key) if rule == "conditions" else _LastWins(folder, key)


class _Local:
    """A file; a lock beside it, which dies with its process, is held while it changes."""

    def __init__(self, folder: Store, key: str) -> None:
        self._folder, self._path = folder, Path(folder.path(key))

    def read(self) -> Version | None:
        with self._folder.told("readable and writable"):
            try:
                content = self._path.read_bytes()
            except FileNotFoundError:
                return None
        return Version(content, hashlib.sha256(content).hexdigest())

    def write(self, content: bytes, after: Version | None) -> Version | None:
        with self._folder.told("readable and writable"):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.with_name(f".{self._path.name}.lock").open("a") as lock:
                self._locked(lock)
                if self.read() != after:
                    return None
                write_beside(self._path, content)
        return Version(content, hashlib.sha256(content).hexdigest())

    def _locked(self, lock: IO[str]) -> None:
        """Return with the lock; a process that stands still while it has it must not stop all."""
        until = time.monotonic() + LOCK_S
        while True:
            try:
                return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                if time.monotonic() > until:
                    told = f"a process has had it locked for {LOCK_S:.0f} s"
                    raise BusyError(f"{self._path} must be free to be written, {told}") from error
            time.sleep(0.01)


class _Conditional:
    """An object of S3, written on conditions that the server checks."""

    def __init__(self, folder: Store, key: str) -> None:
        options = dict(parse_qsl(folder.uri.partition("?")[2]))
        endpoint = options.get("endpoint_override")
        if endpoint and "://" not in endpoint:
            endpoint = f"{options.get('scheme', 'https')}://{endpoint}"
        self._folder = folder
        self._client = boto3.client(
            "s3",
            endpoint_url=endpoint,
            region_name=options.get("region"),
            config=botocore.config.Config(
                connect_timeout=5, read_timeout=10, retries={"mode": "standard"}
            ),
        )
        self._bucket, _, self._key = folder.path(key).partition("/")

    def obeyed(self) -> bool:
        """Whether the server refuses a write whose condition does not hold.

        Some servers answer that they cannot, some take the write: so one is tried that must fail.
        """
        probe = {"Bucket": self._bucket, "Key": f"{self._key}-probe-{secrets.token_hex(8)}"}

        def write() -> bool:
            try:
                self._client.put_object(**probe, Body=b"", IfMatch=_NOBODYS_TAG)
            except botocore.exceptions.ClientError as error:
                if error.response["ResponseMetadata"]["HTTPStatusCode"] in _CHANGED:
                    return True
                if error.response["Error"]["Code"] == "NotImplemented":
                    return False
                raise
            self._client.delete_object(**probe)
            return False

        return bool(self._asked(write))

    def read(self) -> Version | None:
        def get() -> Version | None:
            try:
                found = self._client.get_object(Bucket=self._bucket, Key=self._key)
            except self._client.exceptions.NoSuchKey:
                return None
            return Version(found["Body"].read(), found["ETag"])

        version: Version | None = self._asked(get)
        return version

    def write(self, content: bytes, after: Version | None) -> Version | None:
        condition = {"IfNoneMatch": "*"} if after is None else {"IfMatch": after.tag}

        def put() -> Version | None:
            try:
                written = self._client.put_object(
                    Bucket=self._bucket, Key=self._key, Body=content, **condition
                )
            except botocore.exceptions.ClientError as error:
                if error.response["ResponseMetadata"]["HTTPStatusCode"] in _CHANGED:
                    now = self.read()  # ours, if the answer to a first try was lost on its way
                    return now if now is not None and now.content == content else None
                raise
            return Version(content, written["ETag"])

        version: Version | None = self._asked(put)
        return version

    def _asked(self, call: Callable[[], Any]) -> Any:
        """What ``call`` gives, asked again as everything in this folder is."""
        return again(lambda: self._told(call), patient=self._folder.patient)

    def _told(self, call: Callable[[], Any]) -> Any:
        """What ``call`` gives; what goes wrong becomes a sentence, without the server's words."""
        try:
            return call()
        except botocore.exceptions.ClientError as error:
            code = error.response["Error"]["Code"]
            kind = BusyError if code in _PASSING else StorageError
            raise kind(self._sentence(f"the server answers {code}")) from error
        except botocore.exceptions.NoCredentialsError as error:
            raise StorageError(self._sentence("no credentials")) from error
        except (botocore.exceptions.BotoCoreError, OSError) as error:
            raise BusyError(self._sentence("the server cannot be reached")) from error

    def _sentence(self, why: str) -> str:
        shown = self._folder.uri.partition("?")[0]
        return f"{self._folder.setting} must be readable and writable, got {shown}: {why}"


class _LastWins:
    """An object of storage without conditions: who is still there after a while was last."""

    def __init__(self, folder: Store, key: str) -> None:
        self._folder, self._key = folder, key

    def read(self) -> Version | None:
        with suppress(MissingError):
            content = self._folder.read_bytes(self._key)
            return Version(content, hashlib.sha256(content).hexdigest())
        return None

    def write(self, content: bytes, after: Version | None) -> Version | None:
        if self.read() != after:
            return None
        self._folder.write_bytes(self._key, content)
        time.sleep(SETTLE_S)
        now = self.read()
        return now if now is not None and now.content == content else None
