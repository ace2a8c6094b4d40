"""jobs/tune.py as on a cluster: on S3, led by a model, interrupted, its winner trained anew.

Trials of two workers: on two cores one fits beside Ray Data, so that they run one after another.
"""

import json
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from fer_ray.config import TrainConfig
from fer_ray.runs import layout, metrics, record
from fer_ray.runs.storage import Store, store
from tests.bits import digests
from tests.campaign.sweeps import finish, results, start
from tests.jobs.waiting import wait_until
from tests.runs.sweeps import add
from tests.s3_server import S3, point_at

# With this seed the model suggests rates of 5e-3, and then of 6e-9.
SETTINGS = {
    "seed": "2",
    "tune__search": "{optimizer.learning_rate: {loguniform: [1.0e-10, 1.0e-2]}}",
    "tune__searcher": "tpe",
    "tune__trials": "4",
    "tune__scheduler": "median",
    "tune__grace_epochs": "2",
    "tune__winner": "retrain",
    "training__epochs": "4",
    "cluster__num_workers": "2",
}
# Rates of two trials that have ended: a median takes three. They were good until they diverged.
BEFORE = (1.0e-4, 2.0e-4)
THEIRS = [0.9] * 3


@dataclass(frozen=True)
class Swept:
    """A sweep that was interrupted in its third trial, and gone on with."""

    folder: Store
    code: int
    interrupted: dict[str, Any]
    seconds: float  # from Ctrl-C to the end
    outcome: dict[str, Any]
    before: str  # stderr of the first driver
    after: str

    def run(self, *parts: str) -> Store:
        """The folder of one of its runs."""
        return self.folder.folder(*parts)


def last_step(run: Store) -> int:
    """The step of a run's newest checkpoint."""
    keys = [entry.key.split("/") for entry in run.listing(layout.CHECKPOINTS)]
    steps = [layout.checkpoint_step(key[1]) for key in keys if key[-1] == layout.MANIFEST]
    return max((step for step in steps if step is not None), default=0)


@pytest.fixture(scope="module")
def swept(s3_server: S3) -> Iterator[Swept]:
    with pytest.MonkeyPatch.context() as environment:
        point_at(s3_server, environment)
        storage = f"s3://{s3_server.bucket()}/runs"
        folder = store(f"{storage}/s")
        for number, rate in enumerate(BEFORE):
            point = {"optimizer.learning_rate": rate}
            add(folder, number, point, THEIRS, "failed", error="the loss was not finite")
        first = folder.folder(layout.TRIALS, layout.trial_name(2))
        job = start(storage, **SETTINGS)
        wait_until(lambda: last_step(first) > 0, job)
        asked = time.monotonic()
        job.send_signal(signal.SIGINT)
        interrupted, before = finish(job)
        seconds = time.monotonic() - asked
        outcome, after = finish(start(storage, **SETTINGS))
        yield Swept(folder, job.returncode, interrupted, seconds, outcome, before, after)


def test_ctrl_c_ends_a_sweep_within_ten_seconds_and_says_how_to_resume(swept: Swept) -> None:
    assert swept.seconds < 10
    assert (swept.code, swept.interrupted["status"]) == (1, "interrupted")
    assert "--run s resumes it" in swept.interrupted["error"]
    assert "Traceback" not in swept.before


def test_a_sweep_goes_on_within_a_trial_and_then_tries_what_the_model_suggests(
    swept: Swept,
) -> None:
    assert swept.outcome["status"] == "done", swept.after
    assert "4 trials, 1 at a time; 2 have ended before" in swept.after
    first = swept.run(layout.TRIALS, layout.trial_name(2))
    told = [(group["attempt"], group["step"] > 0) for group in record.read_groups(first)]
    assert told == [(1, False), (2, True)]
    rates = [row["optimizer.learning_rate"] for row in results(swept.folder.uri)]
    assert rates == [*BEFORE, 0.005448, 5.97e-09]


def test_trials_of_two_workers_run_on_two_cores_to_their_ends(swept: Swept) -> None:
    runs = [swept.run(layout.TRIALS, layout.trial_name(number)) for number in (2, 3)]
    assert [{group["workers"] for group in record.read_groups(run)} for run in runs] == [{2}, {2}]
    assert sum(swept.outcome["trials"].values()) == 4


def test_what_stays_below_the_median_of_three_is_stopped(swept: Swept) -> None:
    assert swept.outcome["trials"] == {"done": 1, "stopped": 1, "failed": 2}
    rows = results(swept.folder.uri)
    assert [row["status"] for row in rows] == ["failed", "failed", "done", "stopped"]
    assert [row["epochs"] for row in rows] == [3, 3, 4, 2]
    assert swept.outcome["winner"]["trial"] == 2
    stopped = swept.run(layout.TRIALS, layout.trial_name(3))
    assert len(metrics.read_all(stopped)) < int(SETTINGS["training__epochs"])
    assert not any(entry.key == layout.OUTCOME for entry in stopped.listing())


def test_the_winner_is_trained_anew_to_the_same_bits_and_scored(swept: Swept) -> None:
    retrained = swept.run(layout.RETRAINED)
    run = json.loads(retrained.read_bytes(layout.OUTCOME))
    assert list(run["metrics"]) == ["validation"]
    assert set(swept.outcome["metrics"]) == {"validation", "test"}
    assert swept.outcome["metrics"]["validation"] == run["metrics"]["validation"]
    trial = swept.run(layout.TRIALS, layout.trial_name(2))
    assert digests(retrained, last_step(retrained)) == digests(trial, last_step(trial))


def test_a_sweep_in_a_bucket_has_all_that_one_in_a_folder_has(swept: Swept) -> None:
    winner = swept.outcome["winner"]
    assert winner["settings"] == f"{swept.folder.uri}/{layout.WINNER}"
    told = record.parsed_config(swept.folder.read_bytes(layout.WINNER))
    assert TrainConfig.model_validate(told).optimizer.learning_rate == next(
        iter(winner["point"].values())
    )
    page = swept.folder.read_bytes(layout.SWEEP_PAGE).decode()
    assert "Of 4 trials, the one with optimizer.learning_rate 0.005448 came first" in page
    assert "1 stopped early" in page
    keys = {entry.key for entry in swept.folder.listing()}
    assert {f"{layout.RESULTS}.{kind}" for kind in ("csv", "parquet")} < keys
    assert not any(key.startswith(f"{layout.RAY}/") for key in keys)


def test_the_secret_is_in_no_file_and_in_no_output(swept: Swept, s3_server: S3) -> None:
    told = swept.before + swept.after + json.dumps([swept.interrupted, swept.outcome])
    assert s3_server.secret not in told
    contents = [swept.folder.read_bytes(entry.key) for entry in swept.folder.listing()]
    assert not any(s3_server.secret.encode() in content for content in contents)
