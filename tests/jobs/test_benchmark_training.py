"""jobs/benchmark_training.py: what its figure rests on, without the training."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from tests.jobs.scripts import loaded

COUNTING = "import sys, time\nfor n in range(10**6):\n print(n, flush=True); time.sleep(.002)"
STARTING = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]], check=True)"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    return loaded("benchmark_training")


@pytest.fixture
def started(script: ModuleType, tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """A process whose child's child counts into a file, and that file."""
    counted = tmp_path / "counted"
    outer = [sys.executable, "-c", STARTING, f"exec({COUNTING!r})"]
    with counted.open("w") as file, subprocess.Popen(outer, stdout=file) as process:
        yield process.pid, counted
        for each in script._family(process.pid):
            os.kill(each, signal.SIGKILL)


def grown(file: Path, size: int) -> None:
    """Return when the file is larger than that."""
    end = time.monotonic() + 20
    while file.stat().st_size <= size:
        assert time.monotonic() < end, "nothing is counted"
        time.sleep(0.005)


def test_what_a_process_has_started_stands_still_with_it_and_goes_on(
    script: ModuleType, started: tuple[int, Path]
) -> None:
    pid, counted = started
    grown(counted, 0)
    with script.stopped(pid):
        size = counted.stat().st_size
        time.sleep(0.2)  # a hundred counts
        assert counted.stat().st_size == size
    grown(counted, size)


def test_a_turns_ratio_leaves_out_what_the_job_stood_still(script: ModuleType) -> None:
    """10 steps of 48 in 4 s, of which 1 stood still, are 160 images a second."""
    epochs = [
        {"step": 10, "images_per_s": 1.0},
        {"step": 20, "images_per_s": 120.0},
        {"step": 30, "images_per_s": 80.0},
    ]
    told = script._told(0.25, epochs, [1.0, 2.0], [100.0, 220.0, 20.0])
    assert told["job_turns"] == [160, 120]
    assert told["ratio"] == 1.0
    assert told["quartiles"] == [1.0, 1.0]
