"""Whole sweeps on this machine, their driver killed at a random moment and started again."""

import io
import json
import random
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from fer_ray.runs import layout
from fer_ray.runs.results import TIMED
from fer_ray.runs.storage import store
from tests.running import started

TINY = {
    "--data.demo_faces": "800",
    "--balance.target": "median",
    "--model.width": "0.03",
    "--optimizer.schedule": "constant",
    "--optimizer.warmup_epochs": "0",
    "--training.batch_size": "32",
    "--training.epochs": "3",
    "--cluster.cpus_per_worker": "0.5",
    "--storage.lease_ttl_s": "3",
    # The second diverges.
    "--tune.search": "{optimizer.learning_rate: {choice: [1.0e-3, 1.0e+30, 3.0e-3]}}",
    "--tune.searcher": "grid",
    "--tune.scheduler": "none",
    "--run": "s",
}
# By Ray's own default an epoch lasts 2 s at least: time enough for a scheduler to stop a trial.
SLOWLY = {"RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "2"}


def start(storage: Path | str, **settings: str) -> subprocess.Popen[str]:
    """A sweep of three trials, begun or gone on with; its folder is ``s`` under ``storage``."""
    given = TINY | {f"--{name.replace('__', '.')}": value for name, value in settings.items()}
    return started("tune", given, storage, SLOWLY)


def finish(job: subprocess.Popen[str]) -> tuple[dict[str, Any], str]:
    """The outcome and stderr of a job."""
    out, errors = job.communicate(timeout=400)
    (line,) = out.splitlines()
    return json.loads(line), errors


def results(sweep: str | Path) -> list[dict[str, Any]]:
    """The rows of the table in a sweep's folder."""
    content = store(str(sweep)).read_bytes(f"{layout.RESULTS}.parquet")
    rows: list[dict[str, Any]] = pq.read_table(io.BytesIO(content)).to_pylist()
    return rows


def found(storage: Path, outcome: dict[str, Any]) -> tuple[Any, ...]:
    """All that a sweep came to, but for times and places."""
    rows = [{k: v for k, v in row.items() if k not in TIMED} for row in results(storage / "s")]
    winner = {key: value for key, value in outcome["winner"].items() if key != "settings"}
    return rows, winner, outcome["metrics"]


def whole(storage: Path) -> tuple[tuple[Any, ...], float]:
    """What a sweep that nothing happens to comes to, and its seconds."""
    began = time.monotonic()
    outcome, errors = finish(start(storage))
    assert outcome["status"] == "done", errors
    return found(storage, outcome), time.monotonic() - began


def struck(storage: Path, seed: int, whole_s: float) -> tuple[tuple[Any, ...], float]:
    """What a sweep comes to whose driver is killed at a moment drawn from ``seed``; the moment."""
    after = random.Random(seed).uniform(0, whole_s)
    job = start(storage)
    with suppress(subprocess.TimeoutExpired):
        job.wait(after)
    job.kill()
    job.communicate()
    outcome, errors = finish(start(storage))
    assert outcome["status"] in ("done", "already_done"), errors
    return found(storage, outcome), after
