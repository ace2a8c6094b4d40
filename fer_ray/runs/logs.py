"""The logs of a run, kept in its folder: a file for each process that drove it or worked on it.

Pods go, and their disks with them: what was said is written every few seconds, so that a process
that is killed loses the last of them only.
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
    text = io.StringIO()
    handler = _Bounded(text)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logger.addHandler(handler)
    done = threading.Event()
    writing = threading.Thread(target=_write_on, args=(run, key, text, done), daemon=True)
    writing.start()
    try:
        yield
    except BaseException as error:
        text.write(traceback.format_exc())
        done.set()
        writing.join()
        try:
            _keep(run.hasty() if isinstance(error, StorageError) else run, key, text)
        except StorageError as refused:
            logger.error("the log could not be kept: %s", refused)
        raise
    finally:
        logger.removeHandler(handler)
    done.set()
    writing.join()  # else an older text might come after the last
    _keep(run, key, text)


def _write_on(run: Store, key: str, text: io.StringIO, done: threading.Event) -> None:
    """Write the log whenever it has grown, until ``done``."""
    written = 0
    hasty = run.hasty()
    while not done.wait(WRITE_EVERY_S):
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
    """A handler that stops at ``MAX_CHARACTERS``, and says so."""

    def emit(self, record: logging.LogRecord) -> None:
        if self.stream.tell() < MAX_CHARACTERS:
            super().emit(record)
            if self.stream.tell() >= MAX_CHARACTERS:
                self.stream.write("the rest of this log was cut\n")
