"""The log of a job, kept in its run's folder: a file for each process that drove the run."""

import io
import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from fer_ray.runs.faults import StorageError
from fer_ray.runs.layout import CONFIG, LOGS
from fer_ray.runs.storage import Store

MAX_CHARACTERS = 4 * 2**20  # what comes after is cut: a log must not outgrow what it tells of


@contextmanager
def kept_log(run: Store, logger: logging.Logger) -> Iterator[None]:
    """Write what ``logger`` says inside into ``logs/``, at the end, however that comes.

    Of a run that never began (it has no ``config.yaml``) nothing is written. Where the storage
    refuses the log after another error, that error is the one to know.
    """
    text = io.StringIO()
    handler = _Bounded(text)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logger.addHandler(handler)
    name = f"{LOGS}/driver-{datetime.now(UTC):%Y%m%d-%H%M%S-%f}.log"
    try:
        yield
    except BaseException:
        text.write(traceback.format_exc())
        try:
            _keep(run, name, text)
        except StorageError as error:
            logger.error("the log could not be kept: %s", error)
        raise
    finally:
        logger.removeHandler(handler)
    _keep(run, name, text)


def _keep(run: Store, name: str, text: io.StringIO) -> None:
    """Write the log of a run that has begun."""
    if run.exists(CONFIG):
        run.write_bytes(name, text.getvalue().encode())


class _Bounded(logging.StreamHandler[io.StringIO]):
    """A handler that stops at ``MAX_CHARACTERS``, and says so."""

    def emit(self, record: logging.LogRecord) -> None:
        if self.stream.tell() < MAX_CHARACTERS:
            super().emit(record)
            if self.stream.tell() >= MAX_CHARACTERS:
                self.stream.write("the rest of this log was cut\n")
