"""Jobs of this repository as processes."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PATIENCE_S = 500  # a job that hangs ends before its test does, and leaves what it had said


def ended(
    job: str, *argv: str, timeout_s: float = PATIENCE_S, env: Mapping[str, str] | None = None
) -> tuple[int, dict[str, Any], str]:
    """Exit code, outcome and stderr of a job; stdout must be its one line.

    Args:
        job: ``prepare`` for ``jobs/prepare.py``.
        argv: its flags.
        timeout_s: how long it may take.
        env: what it sees beside this process's own environment.
    """
    done = subprocess.run(
        [sys.executable, f"jobs/{job}.py", *argv],
        cwd=ROOT,
        env=os.environ | (env or {}),
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    lines = done.stdout.splitlines()
    assert len(lines) == 1, done.stdout + done.stderr
    return done.returncode, json.loads(lines[0]), done.stderr


def started(
    job: str, flags: Mapping[str, str], storage: Path | str, env: Mapping[str, str] | None = None
) -> subprocess.Popen[str]:
    """A job at work, its output caught; ``env`` is what it sees beside this environment."""
    words = [word for flag in flags.items() for word in flag]
    return subprocess.Popen(
        [sys.executable, f"jobs/{job}.py", *words, "--storage.uri", str(storage)],
        cwd=ROOT,
        env=os.environ | (env or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
