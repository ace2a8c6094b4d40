"""What every test may use: one small Ray cluster, the shared faces, and steady Hypothesis runs."""

import logging
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from fer_ray.network.loading import ask_for_onednn

ask_for_onednn()  # what a test computes is compared to what workers do
# Two processes run tests on two cores; training workers say themselves how many threads they have.
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")

pytest_plugins = [
    "tests.parallel",
    "tests.s3_server",
    "tests.swift_server",
    "tests.flaky",
    "tests.jobs.interrupted",
    "tests.cluster.once",
]

# Ray and TensorFlow make the first example of a property slow; CI must fail the same way twice.
settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if "CI" in os.environ else "local")

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[None]:
    """A Ray cluster of two CPUs on this machine, for the whole test session."""
    import ray
    import ray.data

    from fer_ray.cluster.session import OWN

    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("RAY_TRAIN_ENABLE_PREEMPTION_WATCHER", "0")  # as where a job starts Ray
        environment.setenv(OWN, "1")
        ray.init(
            "local",
            num_cpus=2,
            include_dashboard=False,
            logging_level=logging.ERROR,
            log_to_driver=False,
        )
    logging.getLogger("fer_ray").setLevel(logging.INFO)  # as in a job
    ray.data.DataContext.get_current().enable_progress_bars = False
    yield
    ray.shutdown()


@pytest.fixture(scope="session")
def shared_faces() -> Path:
    """FER2013's Training and PublicTest faces as Parquet; skips where they are absent."""
    faces = ROOT.parent / "shared" / "data" / "fer2013" / "faces.parquet"
    if not faces.exists():
        pytest.skip(f"{faces.relative_to(ROOT.parent)} is not beside this repository")
    return faces


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
