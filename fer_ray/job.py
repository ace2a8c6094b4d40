"""What all jobs share: settings from argv, quiet output, one outcome line, an exit code.

The last line of stdout is the outcome as JSON; everything else, of every library and process,
goes to stderr. Nothing heavy is imported before the settings are known to be right.
"""

import json
import logging
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType
from typing import Literal, NoReturn, TypeVar

from pydantic import BaseModel, ConfigDict

from fer_ray.config import JobConfig
from fer_ray.settings import SettingsError, parse

Status = Literal[
    "done", "already_done", "skipped", "failed", "interrupted", "invalid", "refused", "held"
]
EXIT_CODES: Mapping[Status, int] = {
    "done": 0,
    "already_done": 0,
    "skipped": 0,
    "failed": 1,
    "interrupted": 1,
    "invalid": 2,
    "refused": 3,
    "held": 4,
}

C = TypeVar("C", bound=JobConfig)

logger = logging.getLogger("fer_ray")


class Outcome(BaseModel):
    """How a job ended; fields that do not apply stay out of its JSON."""

    model_config = ConfigDict(frozen=True, extra="allow")

    status: Status
    run: str | None = None
    uri: str | None = None
    error: str | None = None


def run(main: Callable[[C], Outcome], settings: type[C], about: str) -> NoReturn:
    """Run ``main`` with the settings of argv, print its outcome, and exit with its code.

    A ValueError from this package's own code is a sentence for the user: ``invalid``. Any other
    error is ``failed``, with its traceback on stderr.
    """
    started = time.monotonic()
    job = Path(sys.argv[0]).stem
    config = None
    try:
        config = parse(sys.argv[1:], settings, about, job)
    except SettingsError as error:
        _finish(Outcome(status="invalid", error=str(error)), job, started, sys.stdout.fileno())
    stdout = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    quiet(config.verbose)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        outcome = main(config)
    except KeyboardInterrupt:
        outcome = Outcome(
            status="interrupted", error="interrupted before anything was kept; run it again"
        )
    except Exception as error:  # noqa: BLE001 whatever it is, the caller is owed an outcome
        outcome = _of_error(error)
    _finish(outcome, job, started, stdout)


def quiet(verbose: bool) -> None:
    """Send our log lines to stderr and, unless ``verbose``, hush Ray's and TensorFlow's."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    if not verbose:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def _interrupt(_signum: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _of_error(error: Exception) -> Outcome:
    """The outcome of a job that raised ``error``."""
    if isinstance(error, ValueError) and _is_ours(error):
        return Outcome(status="invalid", error=_sentence(error))
    traceback.print_exception(error)
    return Outcome(status="failed", error=f"{type(error).__name__}: {_sentence(error)}")


def _is_ours(error: BaseException) -> bool:
    """Whether this package itself raised ``error``, here or in a task of the cluster."""
    remote = str(error) if hasattr(error, "cause") else None  # what a task raised, as Ray tells it
    if remote is None:
        files = [frame.filename for frame in traceback.extract_tb(error.__traceback__)]
    else:
        files = [line.split('"')[1] for line in remote.splitlines() if line.startswith("  File ")]
    package = Path(__file__).parent  # elsewhere on another node: told by the names within it
    _, found, within = files[-1].rpartition(f"/{package.name}/") if files else ("", "", "")
    return bool(found) and (package / within).is_file()


def _sentence(error: BaseException) -> str:
    """What ``error`` says, on one line; of an error from a task, its cause's words."""
    cause = getattr(error, "cause", None) or error
    lines = str(cause).strip().splitlines()
    return lines[-1] if lines else type(cause).__name__


def _finish(outcome: Outcome, job: str, started: float, stdout: int) -> NoReturn:
    """Print ``outcome`` as the last line of ``stdout`` and exit."""
    if outcome.error:
        logger.error("%s: %s", outcome.status, outcome.error)
    fields = outcome.model_dump(mode="json", exclude_none=True)
    line = {"status": fields.pop("status"), "job": job}
    line |= {"seconds": round(time.monotonic() - started, 1)} | fields
    sys.stdout.flush()
    os.write(stdout, (json.dumps(line) + "\n").encode())
    sys.exit(EXIT_CODES[outcome.status])
