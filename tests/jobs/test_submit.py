"""jobs/submit.py on a cluster that asks for its token: it ends as the job that it submitted."""

import json
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fer_ray.job import EXIT_CODES
from tests.drill.runs import wait_for
from tests.ray_head import RAY, ROOT, free_port, head

SUBMIT = str(ROOT / "jobs" / "submit.py")


@pytest.fixture(scope="module")
def cluster() -> Iterator[dict[str, str]]:
    """The environment of who may submit to a cluster; it names no address."""
    dashboard = free_port()
    ports = [f"--dashboard-port={dashboard}", f"--dashboard-agent-listen-port={free_port()}"]
    with head({}, "--include-dashboard=true", *ports) as joined:
        ours = {name: value for name, value in joined.items() if name != "RAY_ADDRESS"}
        ours["ADDRESS"] = f"http://127.0.0.1:{dashboard}"
        wait_for(lambda: submitted(ours, "true")[0] == 0, "the cluster's agent")
        yield ours


def start(cluster: dict[str, str], command: str, *flags: str) -> "subprocess.Popen[str]":
    """``jobs/submit.py`` with a command of the shell."""
    given = ["--submit.address", cluster["ADDRESS"], *flags, "--", *shlex.split(command)]
    return subprocess.Popen(
        [sys.executable, SUBMIT, *given],
        env=cluster,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def submitted(
    cluster: dict[str, str], command: str, *flags: str
) -> tuple[int, dict[str, Any], str]:
    """Its exit code, outcome and stderr."""
    job = start(cluster, command, *flags)
    out, errors = job.communicate(timeout=120)
    (line,) = out.splitlines()
    return job.returncode, json.loads(line), errors


def says(status: str, code: int) -> str:
    """A command that ends as a job of ours does."""
    line = json.dumps({"status": status, "job": "train", "seconds": 1.5, "run": "a b", "extra": 3})
    script = f"import sys; print('to out'); print('to err', file=sys.stderr); print({line!r})"
    return shlex.join([sys.executable, "-c", f"{script}; sys.exit({code})"])


@pytest.mark.parametrize("status", ["done", "refused", "held"])
def test_it_ends_with_the_jobs_outcome_and_exit_code(cluster: dict[str, str], status: Any) -> None:
    code, outcome, errors = submitted(cluster, says(status, EXIT_CODES[status]))
    assert (code, outcome["status"]) == (EXIT_CODES[status], status), errors
    assert (outcome["job"], outcome["run"], outcome["extra"]) == ("train", "a b", 3)
    assert "to out" in errors
    assert "to err" in errors


@pytest.mark.parametrize(("command", "code"), [("true", 0), ("false", 1), ("no-such-command", 1)])
def test_a_command_that_tells_no_outcome_is_done_or_failed(
    cluster: dict[str, str], command: str, code: int
) -> None:
    ended, outcome, _ = submitted(cluster, command)
    assert (ended, outcome["status"]) == (code, "failed" if code else "done")


def test_who_was_killed_attaches_again_and_starts_nothing_twice(
    cluster: dict[str, str], tmp_path: Path
) -> None:
    go, count = tmp_path / "go", tmp_path / "count"
    waits = f"echo x >> {count}; until [ -e {go} ]; do sleep 0.1; done; {says('refused', 3)}"
    command = shlex.join(["bash", "-c", waits])
    first = start(cluster, command, "--submit.id", "tick-1")
    wait_for(count.exists, "the job's start")
    first.kill()
    first.communicate()
    second = start(cluster, command, "--submit.id", "tick-1")
    go.touch()
    out, errors = second.communicate(timeout=120)
    assert (second.returncode, json.loads(out)["status"]) == (3, "refused"), errors
    assert "job tick-1 is there: attaching to it" in errors
    assert count.read_text() == "x\n"
    code, outcome, _ = submitted(cluster, command, "--submit.id", "tick-1")  # it has ended
    assert (code, outcome["extra"]) == (3, 3)
    assert count.read_text() == "x\n"


def test_a_job_that_is_stopped_has_failed(cluster: dict[str, str], tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    command = shlex.join(["bash", "-c", f"touch {begun}; sleep 600"])
    job = start(cluster, command, "--submit.id", "stopped")
    wait_for(begun.exists, "the job's start")
    stop = [*RAY, "job", "stop", "--no-wait", "--address", cluster["ADDRESS"], "stopped"]
    subprocess.run(stop, env=cluster, check=True, capture_output=True)
    out, errors = job.communicate(timeout=60)
    outcome = json.loads(out)
    assert (job.returncode, outcome["status"]) == (1, "failed"), errors
    assert outcome["error"] == "job stopped was stopped"


def test_without_the_token_it_is_refused(cluster: dict[str, str]) -> None:
    code, outcome, errors = submitted(cluster | {"RAY_AUTH_TOKEN": "another"}, "true")
    assert (code, outcome["status"]) == (2, "invalid"), errors
    assert "must be a cluster that takes the token" in outcome["error"]
    assert cluster["RAY_AUTH_TOKEN"] not in errors


def test_a_cluster_that_is_not_there_is_asked_again_and_then_a_failure_that_may_pass(
    cluster: dict[str, str],
) -> None:
    nobody = cluster | {"ADDRESS": f"http://127.0.0.1:{free_port()}"}
    code, outcome, errors = submitted(nobody, "true", "--submit.patience_s", "3")
    assert (code, outcome["status"]) == (1, "failed")
    assert "the cluster does not answer (ConnectionError); asking again" in errors
