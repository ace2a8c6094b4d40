"""What all jobs share: settings from argv, quiet output, one outcome line, an exit code.

The last line of stdout is the outcome as JSON; everything else, of every library and process,
goes to stderr. Nothing heavy is imported before the settings are known to be right.
"""

import gc
import json
import logging
import os
import shlex
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

_NO_SETTINGS_FAULT = {"BusyError", "DamagedError"}  # of what our own code raises

C = TypeVar("C", bound=JobConfig)

logger = logging.getLogger("fer_ray")


class Outcome(BaseModel):
    """How a job ended; fields that do not apply stay out of its JSON."""

    model_config = ConfigDict(frozen=True, extra="allow")

    status: Status
    run: str | None = None
    uri: str | None = None
    error: str | None = None


def run(
    main: Callable[[C], Outcome], settings: type[C], about: str, command: str | None = None
) -> NoReturn:
    """Run ``main`` with the settings of argv, print its outcome, and exit with its code.

    ``command`` is the setting that takes the words behind ``--``, quoted for a shell.

    A ValueError from this package's own code is a sentence for the user: ``invalid``. Any other
    error is ``failed``, with its traceback on stderr.
    """
    started = time.monotonic()
    job = Path(sys.argv[0]).stem
    config = None
    try:
        argv = sys.argv[1:]
        if command and "--" in argv:
            place = argv.index("--")
            argv = [*argv[:place], f"--{command}", shlex.join(argv[place + 1 :])]
        config = parse(argv, settings, about, job)
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
        outcome = outcome_of_error(error)
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


def outcome_of_error(error: Exception, run: str | None = None, uri: str | None = None) -> Outcome:
    """The outcome of a job, or of its run, that raised ``error``.

    ``invalid`` with its words where this package refused something (a ValueError that it raised
    itself), ``failed`` otherwise, with the traceback on stderr.
    """
    if isinstance(error, ValueError) and _is_refusal(error):
        return Outcome(status="invalid", run=run, uri=uri, error=_sentence(error))
    traceback.print_exception(error)
    told = f"{type(getattr(error, 'cause', None) or error).__name__}: {_sentence(error)}"
    return Outcome(status="failed", run=run, uri=uri, error=told)


def _is_refusal(error: ValueError) -> bool:
    """Whether a ``raise`` of this package made ``error``, here or in a task of the cluster."""
    if hasattr(error, "cause"):  # Ray tells what a task raised by a text
        lines = str(error).splitlines()
        places = [i for i, line in enumerate(lines) if line.startswith("  File ")]
        last = (lines[places[-1]].split('"')[1], lines[places[-1] + 1]) if places else ("", "")
    else:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        last = (frame.filename, frame.line or "")
    package = Path(__file__).parent  # elsewhere on another node: told by the names within it
    _, found, within = last[0].rpartition(f"/{package.name}/")
    ours = bool(found) and (package / within).is_file()
    kind = type(error).__name__.removeprefix("RayTaskError(").removesuffix(")")
    return ours and last[1].strip().startswith("raise ") and kind not in _NO_SETTINGS_FAULT


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
    gc.freeze()  # or Python looks through all of Ray for garbage before it ends: .5 to .7 s
    sys.exit(EXIT_CODES[outcome.status])
