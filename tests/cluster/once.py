"""One run of few drawn faces and a tiny network, which tests of several files look at."""

from pathlib import Path
from typing import Any

import pytest

from fer_ray.config import TrainConfig
from fer_ray.job import Outcome

TINY: dict[str, dict[str, Any]] = {
    "data": {"uri": "demo:", "demo_faces": 600},
    "augment": {"rotation": 10.0, "horizontal_flip": True, "mixup": 0.2},
    "model": {"width": 0.03, "dropout": 0.3},
    "optimizer": {"name": "sgd", "learning_rate": 0.002, "weight_decay": 5e-4},
    "training": {"epochs": 2, "batch_size": 50, "ema": 0.9},
    "cluster": {"cpus_per_worker": 0.5},
}
EVENTS = {"tensorboard": True}


def settings(storage: Path, run: str, **sections: dict[str, Any]) -> TrainConfig:
    """Those of a tiny run, but for what is given."""
    merged = {name: TINY.get(name, {}) | sections.get(name, {}) for name in TINY | sections}
    return TrainConfig.model_validate(merged | {"storage": {"uri": str(storage)}, "run": run})


@pytest.fixture(scope="session")
def tiny_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the run is kept, and others of tests that need it."""
    return tmp_path_factory.mktemp("storage")


@pytest.fixture(scope="session")
def one(request: pytest.FixtureRequest, tiny_runs: Path) -> Outcome:
    """A run named ``one``, with one worker, which keeps event files."""
    request.getfixturevalue("ray_cluster")
    from fer_ray.cluster import training

    return training.fit(settings(tiny_runs, "one", training=EVENTS))
