"""Waiting for what a job does."""

import subprocess
import time
from collections.abc import Callable


def wait_until(condition: Callable[[], bool], job: subprocess.Popen[str]) -> None:
    """Return once ``condition`` holds; a job that ends before fails, one that is late is killed."""
    deadline = time.monotonic() + 240
    while not condition():
        assert job.poll() is None, job.stderr and job.stderr.read()
        if time.monotonic() > deadline:
            job.kill()
            raise TimeoutError("what a job does must come within 240 s")
        time.sleep(0.05)
