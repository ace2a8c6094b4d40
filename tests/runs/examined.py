"""A run's folder as a killed driver left it or as it ended, and what the doctor finds there."""

import io
import zipfile
from collections.abc import Mapping
from typing import Any

import pytest

from fer_ray.cluster.progress import Best, Progress, best_of
from fer_ray.config import TrainConfig
from fer_ray.runs import checkpoint, doctor, metrics, record
from fer_ray.runs.findings import Diagnosis
from fer_ray.runs.storage import Store

FILES = {"weights.npz": b"w" * 1000, "optimizer.npz": b"o" * 500}


CHEAP = pytest.mark.parametrize("run", ["local", "s3"], indirect=True)  # swift takes seconds


NEWEST, BEST = "checkpoints/step-00000020", "checkpoints/step-00000010"


def about(step: int, best: int | None) -> Mapping[str, Any]:
    """What the loop says of its checkpoints."""
    return Progress(step=step, best=None if best is None else Best(1, best, 0.5)).asdict()


def begin(run: Store) -> None:
    """Three epochs of a run whose driver was killed; the second one's checkpoint is the best."""
    config = TrainConfig.model_validate({"data": {"uri": "demo:"}, "run": "one"})
    record.write_document(run, "data.json", {"dataset": "datasets/x"})
    record.write_config(run, config)
    record.write_document(run, "groups/attempt-0001-group-0001.json", {"workers": 2, "step": 0})
    for number, step, best in ((1, 5, None), (2, 10, 10), (3, 20, 10)):
        metrics.append(run, number, {"step": step})
        checkpoint.write(run, step, FILES, about(step, best))
    run.write_bytes("logs/attempt-0001-driver.log", b"said\n")


def finish(run: Store) -> None:
    """What the end of a run adds."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as inside:
        inside.writestr("model.weights.h5", b"weights" * 100)
    run.write_bytes("model/model.keras", archive.getvalue())
    record.write_document(run, "model/model.json", {"step": 10})
    run.write_bytes("model/README.md", b"# A model")
    metrics.compose(run, 20)
    record.write_document(run, "run.json", {"status": "done"})


def examined(run: Store) -> Diagnosis:
    """The diagnosis, for which nothing may have been changed and which resuming must agree with."""
    before = {entry.key: run.read_bytes(entry.key) for entry in run.listing()}
    found = doctor.examine(run)
    assert {entry.key: run.read_bytes(entry.key) for entry in run.listing()} == before
    if not found.finished:
        assert found.resume_step == checkpoint.newest(run, best_of).step
    return found


def damaged(run: Store) -> dict[str, str]:
    """The reason of each damage, by key."""
    return {one.key: one.told for one in examined(run).damaged}


def left_over(run: Store) -> list[str]:
    return [one.key for one in examined(run).left_over]
