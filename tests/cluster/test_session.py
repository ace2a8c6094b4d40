"""fer_ray.cluster.session: a Ray of the job's own, and places that a cluster would not find."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import ray
import ray.exceptions

from fer_ray.cluster.session import _ALONE, cancel, check_kept, check_shared
from tests.drill.runs import wait_for

COPY = "/tmp/ray/session_1/runtime_resources/working_dir_files/_ray_pkg_1/runs"

# What a task sees of its environment, in a Ray that the process starts.
SEEN = """
import json, os, sys
import ray
from fer_ray.cluster.session import session
with session(verbose=False):
    seen = ray.get(ray.remote(lambda: dict(os.environ)).remote())
sys.stdout.write(json.dumps(seen))
"""


def test_a_ray_of_the_jobs_own_is_set_up_for_it_unless_the_environment_says_otherwise() -> None:
    told = {"RAY_event_stats": "1"}
    bare = {name: value for name, value in os.environ.items() if name not in _ALONE}
    done = subprocess.run(
        [sys.executable, "-c", SEEN], env=bare | told, capture_output=True, text=True, check=True
    )
    seen = json.loads(done.stdout)
    assert {name: seen.get(name) for name in _ALONE} == _ALONE | told


@pytest.mark.parametrize("place", [COPY, f"file://{COPY}"])
def test_a_submitted_jobs_copy_of_its_folder_keeps_nothing(place: str) -> None:
    check_kept({"data.uri": "demo:", "storage.uri": "s3://fer/runs", "model.pretrained": None})
    with pytest.raises(ValueError, match=f"storage.uri must outlive the submitted job.* {COPY}"):
        check_kept({"data.uri": "demo:", "storage.uri": place})


@pytest.mark.usefixtures("ray_cluster")
def test_one_machine_finds_its_own_files() -> None:
    check_shared({"data.uri": "/faces", "storage.uri": "/runs", "model.pretrained": None})


@pytest.mark.usefixtures("ray_cluster")
def test_a_pod_does_not_though_it_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_USAGE_STATS_KUBERAY_IN_USE", "1")
    check_shared({"data.uri": "demo:", "storage.uri": "s3://fer/runs", "model.pretrained": None})
    with pytest.raises(ValueError, match=r"storage.uri must be where every pod.* got /runs"):
        check_shared({"data.uri": "s3://fer/faces", "storage.uri": "/runs"})


@ray.remote(num_cpus=0, max_retries=0)
def asleep(began: Path, seconds: float) -> None:
    until = time.monotonic() + seconds
    began.touch()
    while time.monotonic() < until:
        time.sleep(0.02)  # Ray's interrupt is noticed between two


@pytest.mark.usefixtures("ray_cluster")
def test_a_task_is_asked_to_end_unless_it_has(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked = []
    ask = ray.cancel

    def noted(task: Any, **how: Any) -> None:
        asked.append(task)
        ask(task, **how)

    monkeypatch.setattr(ray, "cancel", noted)
    done = asleep.remote(tmp_path / "first", 0)
    ray.get(done)
    cancel(done)
    assert asked == []
    running = asleep.remote(tmp_path / "second", 600)
    wait_for((tmp_path / "second").exists, "the task")
    cancel(running)
    assert asked == [running]
    with pytest.raises(ray.exceptions.TaskCancelledError):
        ray.get(running)
