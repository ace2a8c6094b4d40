"""jobs/train.py as a process: quiet, and interrupted."""

import json
import re

from tests.jobs.interrupted import EPOCHS, Trained


def test_ctrl_c_ends_a_run_within_ten_seconds_and_says_how_to_resume(trained: Trained) -> None:
    assert trained.seconds < 10
    assert (trained.code, trained.interrupted["status"]) == (1, "interrupted")
    assert "--run it resumes it" in trained.interrupted["error"]
    assert "Traceback" not in trained.before
    assert "run.json" not in trained.kept
    assert json.loads(trained.kept["lease.json"])["released"]


def test_the_person_watching_sees_our_lines_alone(trained: Trained) -> None:
    assert (trained.resumed_code, trained.outcome["status"]) == (0, "done"), trained.after
    told = trained.before + trained.after
    lines = [line for line in told.splitlines() if "\r" not in line]
    ours = [line for line in lines if line[:8].count(":") == 2]
    epochs = [line for line in ours if "images/s" in line and " left" in line]
    numbers = {
        int(number) for line in epochs for number in re.findall(rf" epoch (\d+)/{EPOCHS} ", line)
    }
    assert numbers == set(range(1, int(EPOCHS) + 1))
    assert [line for line in lines if line not in ours] == []


def test_where_no_other_node_is_none_is_watched_for_its_end(trained: Trained) -> None:
    assert trained.processes == {"RayTrainWorker": 1, "PreemptionWatcher": 0}


def test_the_worker_alone_loads_tensorflow(trained: Trained) -> None:
    """Ray's own trainer would have it loaded before any worker starts, and its controller too."""
    assert trained.tensorflow == {
        "ray::_train": {False},
        "ray::TrainController": {False},
        "ray::RayTrainWorker": {True},
    }
