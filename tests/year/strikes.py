"""Faults beneath the storage code of one process: at its n-th operation, whichever that is.

On a disk an operation is a file opened for writing or given its name; on S3 it is a request, on
its way through a relay. Those of the threads that renew a lease or keep a log are let through.
"""

import errno
import io
import os
import re
import signal
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Literal

from fer_ray.runs import layout
from tests.flaky import Flaky
from tests.year.book import Book

# "kill": SIGKILL before it; "fails": it does not take effect; "lost": it does, and its caller hears
# of a failure; "pause": the process waits before it until it is told to go on.
Kind = Literal["kill", "fails", "lost", "pause"]
_BESIDE = re.compile(rf"{layout.LEASE}|/{layout.LOGS}/|\.lock")


@dataclass(frozen=True)
class Strike:
    """A fault at the ``at``-th operation, and at the ``more`` after it."""

    at: int
    kind: Kind
    more: int = 0


class Struck:
    """The strikes of this process, and how far it is."""

    def __init__(self, strikes: Sequence[Strike], line: Connection, book: Book) -> None:
        self._strikes, self._line, self._book = strikes, line, book
        self._count = 0
        self._lock = threading.Lock()

    def next(self, what: str) -> Kind | None:
        """What befalls the operation that now begins; kills and pauses happen here."""
        with self._lock:
            self._count += 1
            count = self._count
        for one in self._strikes:
            if one.at <= count <= one.at + one.more:
                self._book.write("struck", kind=one.kind, at=count, where=what[-80:])
                if one.kind == "kill":
                    os.kill(os.getpid(), signal.SIGKILL)
                if one.kind == "pause":
                    self._line.send(("paused", count, what))
                    self._line.recv()
                return one.kind
        return None


def on_disk(root: str, struck: Struck) -> None:
    """Strike what this process's main thread writes under ``root``."""
    opened, replaced = io.open, os.replace

    def one(path: Any, act: Callable[[], Any]) -> Any:
        ours = str(path).startswith(root) and not _BESIDE.search(str(path))
        if not ours or threading.current_thread() is not threading.main_thread():
            return act()
        kind = struck.next(str(path))
        if kind == "fails":
            raise OSError(errno.ENOSPC, "no space left")
        given = act()
        if kind == "lost":
            raise OSError(errno.EIO, "the disk does not answer")
        return given

    def opens(file: Any, mode: str = "r", *args: Any, **more: Any) -> Any:
        if set(mode).isdisjoint("wxa"):
            return opened(file, mode, *args, **more)
        return one(file, lambda: opened(file, mode, *args, **more))

    io.open = opens  # type: ignore[assignment]
    os.replace = lambda source, target: one(target, lambda: replaced(source, target))  # type: ignore[assignment]


def on_s3(endpoint: str, struck: Struck) -> None:
    """Strike this process's requests to the S3 server at ``endpoint``."""
    relay = Flaky(endpoint)
    losing = threading.Event()

    def request(sent: bytes) -> None:
        found = re.match(rb"(?:GET|PUT|HEAD|DELETE|POST) (\S+) HTTP", sent)
        if not found or _BESIDE.search(found[0].decode()):
            return
        kind = struck.next(found[0].decode())
        if kind == "fails":
            raise ConnectionAbortedError
        if kind == "lost":
            losing.set()

    def answer(sent: bytes) -> None:
        if losing.is_set() and not sent.startswith(b"HTTP/1.1 100"):
            losing.clear()
            raise ConnectionAbortedError

    relay.on_request, relay.on_answer = request, answer
    relay.__enter__()
    os.environ["AWS_ENDPOINT_URL_S3"] = relay.endpoint
