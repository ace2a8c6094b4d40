"""Run folders of each kind of storage."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from fer_ray.runs.storage import Store, store


@pytest.fixture(params=["local", "s3", "swift"])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """An empty run folder, on this machine's disk and on two real S3 servers of their own kinds."""
    return _runs(request, tmp_path).folder("one")


@pytest.fixture
def local_run(tmp_path: Path) -> Store:
    """An empty run folder on this machine's disk."""
    return store(f"{tmp_path}/runs/one")


@pytest.fixture(params=["local", "s3"])
def runs(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """An empty folder for runs, on this machine's disk, on S3 or, if asked for, on swift."""
    return _runs(request, tmp_path)


def _runs(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """An empty folder for runs on the storage that the test is given."""
    if request.param == "local":
        return store(f"{tmp_path}/runs")
    return store(f"s3://{request.getfixturevalue(request.param).bucket()}/runs")


@pytest.fixture
def local_runs(tmp_path: Path) -> Store:
    """An empty folder for runs on this machine's disk."""
    return store(f"{tmp_path}/runs")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        assert "CI" not in os.environ, "CI must have chromium"
        pytest.skip("a browser is needed: apt-get install chromium")
    with sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield started
        started.close()
