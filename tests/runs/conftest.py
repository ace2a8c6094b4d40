"""Run folders of each kind of storage, and disks too small or too shut to write to."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from fer_ray.runs.layout import Store, store


@pytest.fixture(params=["local", "s3"])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """An empty run folder, on this machine's disk and then on a real S3 server."""
    if request.param == "local":
        return store(f"{tmp_path}/runs/one")
    return store(f"s3://{request.getfixturevalue('s3').bucket()}/runs/one")


@pytest.fixture
def local_run(tmp_path: Path) -> Store:
    """An empty run folder on this machine's disk."""
    return store(f"{tmp_path}/runs/one")


@pytest.fixture
def mounted(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A small memory disk with the options of ``indirect`` parametrisation; skips without root."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", request.param, "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting a memory disk takes root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)
