"""A job on a cluster elsewhere: submitted once, watched to its end, its outcome brought home.

``ray job submit`` gives its caller 0 or 1 whatever the job's own exit code was. A job is known by
its id: who submits one that is there attaches to it, so that nothing is started twice.
"""

import asyncio
import json
import logging
import sys
import time
from collections.abc import Callable
from typing import Any, TypeVar

import aiohttp
import ray.exceptions
from ray.job_submission import JobDetails, JobStatus, JobSubmissionClient

from fer_ray.job import Outcome
from fer_ray.runs import layout
from fer_ray.submission import SubmitConfig

_TOLD = {"status", "job", "seconds"}  # what every outcome of ours has
_LOOK_EVERY_S = 2.0

T = TypeVar("T")

logger = logging.getLogger(__name__)


class _LostError(Exception):
    """Nothing more will be heard of a job; the text says why."""


def submit(config: SubmitConfig) -> Outcome:
    """The outcome of the job, once it has ended; its log goes to stderr as it comes.

    ``failed`` where it was stopped, was lost with its cluster, or told no outcome and did not exit
    with 0; ``done`` where it told none and did.

    Raises:
        ValueError: the cluster asks for another token than the environment has.
        RuntimeError: the cluster refuses the job.
        OSError: the cluster cannot be reached, for as long as that is borne.
    """
    settings = config.submit
    name = settings.id or layout.made_up_name("submit")
    client = _answered(lambda: _client(settings.address), settings.patience_s)
    command, folder = str(settings.command), settings.working_dir
    _answered(lambda: _begin(client, name, command, folder), settings.patience_s)
    try:
        return _ended(client, name, settings.patience_s)
    except KeyboardInterrupt:
        told = f"no longer watched; job {name} goes on: the same command with --submit.id {name}"
        return Outcome(status="interrupted", id=name, error=f"{told} attaches to it again")


def _answered(call: Callable[[], T], patience_s: float) -> T:
    """What ``call`` gives; while the cluster does not answer, or says that it cannot, once more."""
    until = time.monotonic() + patience_s
    while True:
        try:
            return call()
        except (RuntimeError, OSError) as error:
            # Ray tells the server's status in its words alone: 4xx is a refusal, which stays.
            passing = isinstance(error, OSError) or "status code 5" in str(error)
            if not passing or time.monotonic() >= until:
                raise
            logger.warning("the cluster does not answer (%s); asking again", type(error).__name__)
        time.sleep(_LOOK_EVERY_S)


def _client(address: str | None) -> JobSubmissionClient:
    """A client of the cluster."""
    try:
        return JobSubmissionClient(address)
    except ray.exceptions.AuthenticationError as error:
        raise ValueError(
            "submit.address must be a cluster that takes the token in RAY_AUTH_TOKEN or"
            " ~/.ray/auth_token, got one that refuses it, or no token"
        ) from error


def _begin(client: JobSubmissionClient, name: str, command: str, folder: str | None) -> None:
    """Submit the job, unless it is there."""
    if _known(client, name):
        logger.info("job %s is there: attaching to it", name)
        return
    environment = {"working_dir": folder} if folder else {}
    try:
        client.submit_job(entrypoint=command, submission_id=name, runtime_env=environment)
    except RuntimeError:
        if not _known(client, name):  # else another submitted it meanwhile
            raise
    logger.info("job %s: %s", name, command)


def _known(client: JobSubmissionClient, name: str) -> bool:
    return name in {job.submission_id for job in client.list_jobs()}


def _ended(client: JobSubmissionClient, name: str, patience_s: float) -> Outcome:
    """Follow the job's log to its end, through interruptions of the connection.

    Its state is asked for whatever became of the log, which a proxy without WebSockets keeps back
    and which may be gone with its node.
    """
    log = _Log(client, name)
    while True:
        log.show()
        try:
            info = _info(client, name, patience_s)
        except _LostError as lost:
            return Outcome(status="failed", id=name, error=f"job {name} is lost: {lost}")
        if JobStatus(info.status).is_terminal():
            return _outcome(name, info, _whole_log(client, name, patience_s))
        time.sleep(_LOOK_EVERY_S)


def _info(client: JobSubmissionClient, name: str, patience_s: float) -> JobDetails:
    """The job's state; while the cluster does not answer, it is asked again."""
    until = time.monotonic() + patience_s
    while True:
        try:
            return client.get_job_info(name)
        except (RuntimeError, OSError) as error:
            if time.monotonic() > until:
                raise _LostError(f"its cluster did not answer for {patience_s:g} s") from error
            if _forgotten(client, name):
                raise _LostError("the cluster that answers now knows nothing of it") from error
            logger.warning("the cluster does not answer (%s); asking again", type(error).__name__)
        time.sleep(_LOOK_EVERY_S)


def _whole_log(client: JobSubmissionClient, name: str, patience_s: float) -> str:
    """All that a job said which has ended; nothing where that cannot be read any more."""
    try:
        return _answered(lambda: client.get_job_logs(name), patience_s)
    except (RuntimeError, OSError) as error:
        fault = type(error).__name__
        told = "the log of job %s cannot be read (%s); its state alone tells how it ended"
        logger.warning(told, name, fault)
        return ""


def _forgotten(client: JobSubmissionClient, name: str) -> bool:
    """Whether the cluster answers, and the job is none of its own: its head was lost."""
    try:
        return not _known(client, name)
    except (RuntimeError, OSError):
        return False


class _Log:
    """What a job says, on its way to stderr."""

    def __init__(self, client: JobSubmissionClient, name: str) -> None:
        self._client, self._name = client, name
        self._shown = 0  # characters: a connection that is made anew begins at the first
        self._missed = False  # which is told of once, until it comes again

    def show(self) -> None:
        """Write what was not yet written, until the job ends or the connection does."""
        try:
            asyncio.run(self._follow())
        except (aiohttp.ClientError, RuntimeError, OSError) as error:  # Ray promises the second
            if not self._missed:
                told = "the log of job %s cannot be followed (%s); watching its state alone"
                logger.warning(told, self._name, type(error).__name__)
            self._missed = True

    async def _follow(self) -> None:
        seen = 0
        async for text in self._client.tail_job_logs(self._name):
            self._missed = False
            seen += len(text)
            if seen > self._shown:
                sys.stderr.write(text[-(seen - self._shown) :])
                sys.stderr.flush()
                self._shown = seen


def _outcome(name: str, info: Any, log: str) -> Outcome:
    """What the job came to, by the last line that it said."""
    told = _last_line(log)
    if told and info.driver_exit_code is not None:
        return Outcome(**{"id": name} | told)
    if info.status == JobStatus.SUCCEEDED and info.driver_exit_code == 0:
        return Outcome(status="done", id=name)
    how = {JobStatus.STOPPED: "was stopped"}.get(info.status, f"failed: {_one_line(info.message)}")
    return Outcome(status="failed", id=name, error=f"job {name} {how}")


def _last_line(log: str) -> dict[str, Any] | None:
    """The outcome that a job of ours ends its output with."""
    lines = log.strip().splitlines()
    for line in reversed(lines[-3:]):
        try:
            told = json.loads(line)
        except ValueError:
            continue
        if isinstance(told, dict) and set(told) >= _TOLD:
            return told
    return None


def _one_line(text: str | None) -> str:
    return " ".join((text or "").split())[-300:]
