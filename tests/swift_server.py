"""A second, independent S3 server for tests: OpenStack's swift, which has no conditional updates.

Its processes are started by `tests/swift_processes.py`; its data goes with it. What it cannot do
(`If-Match` is answered with 501, and several writers with `If-None-Match: *` may all win) is why
the lease has a rule for storage without conditions.
"""

import os
import secrets
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.s3_server import S3, point_at


@contextmanager
def serve() -> Iterator[S3]:
    """A new server, and the user who may do all; it ends with the block."""
    secret = secrets.token_hex(20)
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.swift_processes", folder, secret],
            cwd=Path(__file__).parents[1],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,  # a group of its own, to end all of it at once
        )
        try:
            assert process.stdout is not None
            address = process.stdout.readline().strip()
            if not address:
                raise RuntimeError(f"swift must start, got: {(Path(folder) / 'log').read_text()}")
            yield S3(address, "fer:owner", secret)
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


@pytest.fixture(scope="session")
def swift_server() -> Iterator[S3]:
    """One server for the whole test session; each test makes its own bucket."""
    with serve() as server:
        yield server


@pytest.fixture
def swift(swift_server: S3, monkeypatch: pytest.MonkeyPatch) -> S3:
    """The server, with this process's environment pointing at it."""
    point_at(swift_server, monkeypatch)
    return swift_server
