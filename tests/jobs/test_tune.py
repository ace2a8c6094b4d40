"""jobs/tune.py as a process: what it finds, that it can be repeated, and that it goes on."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fer_ray import plain_yaml
from fer_ray.config import TrainConfig
from fer_ray.runs import layout, record
from fer_ray.runs.storage import store
from tests.bits import digests
from tests.campaign.sweeps import finish, results, start
from tests.jobs.interrupted import EPOCHS, RATE, Trained
from tests.jobs.waiting import wait_until

ROOT = Path(__file__).parents[2]


def ended(sweep: Path) -> int:
    """How many trials have ended."""
    told = [json.loads(path.read_text())["status"] for path in sweep.glob("trials/*.json")]
    return sum(status != "begun" for status in told)


# The second diverges in its first epoch; the third learns nothing, and takes its place.
THREE = {
    "tune__search": "{optimizer.learning_rate: {choice: [" + RATE + ", 1.0e+30, 1.0e-12]}}",
    "training__epochs": EPOCHS,
    "tune__scheduler": "asha",
    "tune__grace_epochs": "3",
    "tune__reduction_factor": "2",
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], str]:
    """A sweep whose driver was killed in a trial: folder, outcome, stderr of both drivers.

    ``python -m tests.campaign sweep`` compares such sweeps with one that nothing happened to.
    """
    folder = tmp_path_factory.mktemp("whole")
    job = start(folder, **THREE)
    wait_until(lambda: ended(folder / "s") == 1, job)
    wait_until(lambda: any(folder.glob("s/trials/0000/checkpoints/*/manifest.json")), job)
    job.kill()
    _, before = job.communicate()
    outcome, errors = finish(start(folder, **THREE))
    return folder / "s", outcome, before + errors


Whole = tuple[Path, dict[str, Any], str]


def test_one_trial_wins_one_fails_and_one_is_stopped(whole: Whole) -> None:
    folder, outcome, errors = whole
    assert outcome["status"] == "done", errors
    assert outcome["trials"] == {"done": 1, "stopped": 1, "failed": 1}
    rows = results(folder)
    assert [row["status"] for row in rows] == ["done", "failed", "stopped"]
    assert [row["epochs"] for row in rows] == [int(EPOCHS), 1, 3]
    assert "not finite" in rows[1]["error"]
    assert f"trial 1 failed: {rows[1]['error']}" in errors
    assert outcome["winner"]["trial"] == 0
    assert outcome["winner"]["validation_macro_f1"] == rows[0]["metric"]
    assert "it alone ran to its end" in (folder / layout.SWEEP_PAGE).read_text()


def test_the_test_side_is_scored_for_the_winner_alone(whole: Whole) -> None:
    folder, outcome, _ = whole
    (path,) = folder.glob("trials/*/run.json")
    trial = json.loads(path.read_text())
    assert list(trial["metrics"]) == ["validation"]
    assert set(outcome["metrics"]) == {"validation", "test"}
    assert outcome["metrics"]["validation"] == trial["metrics"]["validation"]


def test_a_person_sees_a_table_and_no_library(whole: Whole) -> None:
    _, _, errors = whole
    assert "3 of 3 trials have ended" in errors
    assert "validation macro_f1" in errors
    ours = [line for line in errors.splitlines() if line[:8].count(":") == 2]
    table = [
        line for line in errors.splitlines() if set(line) & set("┃│━─┏┡└") or " of 3 tr" in line
    ]
    rest = set(errors.splitlines()) - set(ours) - set(table)
    # Ray tells of many processes past every switch: two trials at a time have a dozen and a half.
    assert {line for line in rest if line.strip() and "(raylet)" not in line} == set()


def test_the_faces_are_prepared_once(whole: Whole) -> None:
    folder, _, errors = whole
    assert errors.count("reading faces from") == 1  # the second driver finds them
    assert len(list(folder.parent.glob("datasets/*/manifest.json"))) == 1
    assert not list(folder.glob("trials/datasets"))


def test_the_same_name_again_returns_what_was_found(whole: Whole) -> None:
    folder, outcome, _ = whole
    again, errors = finish(start(folder.parent, **THREE))
    assert "starting Ray" not in errors
    assert again | {"status": "done", "seconds": outcome["seconds"]} == outcome


def test_the_winners_settings_train_the_winner_again(whole: Whole, trained: Trained) -> None:
    folder, outcome, _ = whole
    run = trained.storage / "it"
    settings = ["--config", str(folder / layout.WINNER), "--storage.uri", str(trained.storage)]
    told = subprocess.run(
        [sys.executable, "jobs/train.py", *settings, "--run", "it", "--print_config"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    made = TrainConfig.model_validate(plain_yaml.load(told.stdout))
    assert made.model_dump(mode="json") == record.read_config(store(str(run)))
    assert trained.outcome["status"] == "done", trained.after
    trial = store(str(folder / "trials" / f"{outcome['winner']['trial']:04d}"))
    steps = max(int(path.name[5:]) for path in (run / "checkpoints").iterdir())
    assert digests(store(str(run)), steps) == digests(trial, steps)
    assert trained.outcome["metrics"]["test"] == outcome["metrics"]["test"]


def test_what_ended_before_the_kill_is_not_run_again_and_what_had_begun_goes_on(
    whole: Whole,
) -> None:
    folder, _, errors = whole
    assert "3 trials, 2 at a time; 1 have ended before" in errors
    # A driver that is killed may leave no log of its first attempt; the second tells of itself.
    second = [list(folder.glob(f"trials/000{n}/logs/attempt-0002-driver.log")) for n in range(2)]
    assert [len(logs) for logs in second] == [1, 0]
    assert "going on from step" in second[0][0].read_text()
