"""Waiting for what a job does."""

import subprocess
import time
from collections.abc import Callable


def wait_until(condition: Callable[[], bool], job: subprocess.Popen[str]) -> None:
    """Return once ``condition`` holds; a job that ends before fails."""
    deadline = time.monotonic() + 240
    while not condition():
        assert job.poll() is None, job.stderr and job.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.05)
