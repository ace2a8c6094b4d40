"""jobs/train.py as a process: quiet, and interrupted."""

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.jobs.waiting import wait_until

ROOT = Path(__file__).parents[2]
TINY = {
    "--data.demo_faces": "800",
    "--balance.target": "median",
    "--model.width": "0.03",
    "--training.batch_size": "32",
    "--training.epochs": "4",
    "--cluster.cpus_per_worker": "0.5",
    "--run": "it",
}
FLAGS = [word for flag in TINY.items() for word in flag]


def start(storage: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "jobs/train.py", *FLAGS, "--storage.uri", str(storage)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(job: subprocess.Popen[str]) -> tuple[int, dict[str, Any], str]:
    """Exit code, outcome and stderr of a job."""
    out, errors = job.communicate(timeout=300)
    (line,) = out.splitlines()
    return job.returncode, json.loads(line), errors


Stopped = tuple[Path, float, int, dict[str, Any], str]


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Stopped:
    """Ctrl-C after an epoch: storage, seconds to the end, exit code, outcome, stderr."""
    storage = tmp_path_factory.mktemp("runs")
    job = start(storage)
    wait_until(lambda: any(storage.glob("it/checkpoints/*/manifest.json")), job)
    asked = time.monotonic()
    job.send_signal(signal.SIGINT)
    code, outcome, errors = finish(job)
    return storage, time.monotonic() - asked, code, outcome, errors


def test_ctrl_c_ends_a_run_within_ten_seconds_and_says_how_to_resume(stopped: Stopped) -> None:
    storage, seconds, code, outcome, errors = stopped
    assert seconds < 10
    assert (code, outcome["status"]) == (1, "interrupted")
    assert "--run it resumes it" in outcome["error"]
    assert "Traceback" not in errors
    assert not (storage / "it" / "run.json").exists()
    assert json.loads((storage / "it" / "lease.json").read_text())["released"]


def test_the_person_watching_sees_our_lines_alone(stopped: Stopped) -> None:
    storage, _, _, _, before = stopped
    code, outcome, after = finish(start(storage))
    assert (code, outcome["status"]) == (0, "done"), after
    lines = [line for line in (before + after).splitlines() if "\r" not in line]
    ours = [line for line in lines if line[:8].count(":") == 2]
    epochs = [line for line in ours if "images/s" in line and " left" in line]
    told = {number for line in epochs for number in re.findall(r" epoch (\d)/4 ", line)}
    assert told == {"1", "2", "3", "4"}
    assert [line for line in lines if line not in ours] == []
