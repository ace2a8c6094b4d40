"""The logs of a run, kept in its folder: a file for each process that drove it or worked on it.

Pods go, and their disks with them: what was said is written every few seconds, so that a process
that is killed loses the last of them only; a warning is written at once.
"""

import io
import logging
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from fer_ray.runs.faults import StorageError
from fer_ray.runs.layout import CONFIG
from fer_ray.runs.storage import Store

MAX_CHARACTERS = 4 * 2**20  # what comes after is cut: a log must not outgrow what it tells of
WRITE_EVERY_S = 10.0


@contextmanager
def kept_log(run: Store, logger: logging.Logger, key: str) -> Iterator[None]:
    """Write what ``logger`` says inside into ``key``, every few seconds and at the end.

    Of a run that never began (it has no ``config.yaml``) nothing is written. Where the storage
    refuses the log after another error, that error is the one to know.
    """
    text, wake, done = io.StringIO(), threading.Event(), threading.Event()
    handler = _Bounded(text, wake)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logger.addHandler(handler)
    writing = threading.Thread(target=_write_on, args=(run, key, text, wake, done), daemon=True)
    writing.start()
    try:
        yield
    except BaseException as error:
        text.write(traceback.format_exc())
        _end(writing, wake, done)
        try:
            _keep(run.hasty() if isinstance(error, StorageError) else run, key, text)
        except StorageError as refused:
            logger.error("the log could not be kept: %s", refused)
        raise
    finally:
        logger.removeHandler(handler)
    _end(writing, wake, done)
    _keep(run, key, text)


def _end(writing: threading.Thread, wake: threading.Event, done: threading.Event) -> None:
    """End the thread that writes: else an older text of its might come after the last."""
    done.set()
    wake.set()
    writing.join()


def _write_on(
    run: Store, key: str, text: io.StringIO, wake: threading.Event, done: threading.Event
) -> None:
    """Write the log when it has grown, every few seconds and when woken, until ``done``."""
    written = 0
    hasty = run.hasty()
    while True:
        wake.wait(WRITE_EVERY_S)
        wake.clear()
        if done.is_set():
            return
        if (length := text.tell()) > written:
            try:
                _keep(hasty, key, text)
                written = length
            except StorageError:  # said here it would be news to write; the end tells
                continue


def _keep(run: Store, key: str, text: io.StringIO) -> None:
    """Write the log of a run that has begun."""
    if run.exists(CONFIG):
        run.write_bytes(key, text.getvalue().encode())


class _Bounded(logging.StreamHandler[io.StringIO]):
    """A handler that stops at ``MAX_CHARACTERS``, and says so; warnings are to be written now."""

    def __init__(self, text: io.StringIO, wake: threading.Event) -> None:
        super().__init__(text)
        self._wake = wake

    def emit(self, record: logging.LogRecord) -> None:
        if self.stream.tell() < MAX_CHARACTERS:
            super().emit(record)
            if self.stream.tell() >= MAX_CHARACTERS:
                self.stream.write("the rest of this log was cut\n")
        if record.levelno >= logging.WARNING:
            self._wake.set()
