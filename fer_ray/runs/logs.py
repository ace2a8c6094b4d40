"""The log of a job, kept in its run's folder: a file for each process that drove the run."""

import io
import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from fer_ray.runs.layout import LOGS
from fer_ray.runs.storage import Store

MAX_CHARACTERS = 4 * 2**20  # what comes after is cut: a log must not outgrow what it tells of


@contextmanager
def kept_log(run: Store, logger: logging.Logger) -> Iterator[None]:
    """Write what ``logger`` says inside into ``logs/``, at the end, however that comes."""
    text = io.StringIO()
    handler = _Bounded(text)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logger.addHandler(handler)
    name = f"{LOGS}/driver-{datetime.now(UTC):%Y%m%d-%H%M%S-%f}.log"
    try:
        yield
    except BaseException:
        text.write(traceback.format_exc())
        raise
    finally:
        logger.removeHandler(handler)
        run.write_bytes(name, text.getvalue().encode())


class _Bounded(logging.StreamHandler[io.StringIO]):
    """A handler that stops at ``MAX_CHARACTERS``, and says so."""

    def emit(self, record: logging.LogRecord) -> None:
        if self.stream.tell() < MAX_CHARACTERS:
            super().emit(record)
            if self.stream.tell() >= MAX_CHARACTERS:
                self.stream.write("the rest of this log was cut\n")
