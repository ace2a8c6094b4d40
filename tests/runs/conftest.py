"""Run folders of each kind of storage."""

from pathlib import Path

import pytest

from fer_ray.runs.storage import Store, store


@pytest.fixture(params=["local", "s3", "swift"])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """An empty run folder, on this machine's disk and on two real S3 servers of their own kinds."""
    if request.param == "local":
        return store(f"{tmp_path}/runs/one")
    return store(f"s3://{request.getfixturevalue(request.param).bucket()}/runs/one")


@pytest.fixture
def local_run(tmp_path: Path) -> Store:
    """An empty run folder on this machine's disk."""
    return store(f"{tmp_path}/runs/one")
