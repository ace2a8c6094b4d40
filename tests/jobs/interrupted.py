"""One run of jobs/train.py, which Ctrl-C ends after an epoch, and which is gone on with."""

import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.campaign.sweeps import TINY, finish
from tests.jobs.waiting import wait_until
from tests.ray_head import processes, told_of
from tests.running import started

EPOCHS, RATE = "8", "3.0e-3"  # of test_tune.py's winner, which it must be to the bit
SETTINGS = {name: value for name, value in TINY.items() if not name.startswith("--tune.")} | {
    "--optimizer.learning_rate": RATE,
    "--training.epochs": EPOCHS,
    "--run": "it",
}


@dataclass(frozen=True)
class Trained:
    """The run, and what its two jobs said."""

    storage: Path
    processes: dict[str, int]  # of the first job's Ray, by name, as far as tests ask
    tensorflow: dict[str, set[bool]]  # whether such processes of that Ray have it loaded
    seconds: float  # from Ctrl-C to the first job's end
    code: int
    interrupted: dict[str, Any]
    kept: dict[str, str]  # the run's small files when it was interrupted
    before: str  # stderr of the first
    resumed_code: int
    outcome: dict[str, Any]
    after: str


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    storage = tmp_path_factory.mktemp("runs")
    job = started("train", SETTINGS, storage)
    wait_until(lambda: any(storage.glob("it/checkpoints/*/manifest.json")), job)
    names = ("RayTrainWorker", "PreemptionWatcher")
    seen = {name: len(processes(job.pid, name)) for name in names}
    loading = ("ray::_train", "ray::TrainController", "ray::RayTrainWorker")
    loads = {name: told_of(job.pid, name, "maps", "libtensorflow") for name in loading}
    asked = time.monotonic()
    job.send_signal(signal.SIGINT)
    interrupted, before = finish(job)
    seconds = time.monotonic() - asked
    kept = {path.name: path.read_text() for path in (storage / "it").glob("*.json")}
    again = started("train", SETTINGS, storage)
    outcome, after = finish(again)
    return Trained(
        *(storage, seen, loads, seconds, job.returncode, interrupted, kept, before),
        *(again.returncode, outcome, after),
    )
