"""fer_ray.cluster.session: which places a cluster would not find again."""

import time
from typing import Any

import pytest
import ray
import ray.exceptions

from fer_ray.cluster.session import cancel, check_kept, check_shared

COPY = "/tmp/ray/session_1/runtime_resources/working_dir_files/_ray_pkg_1/runs"


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
def asleep(seconds: float) -> None:
    time.sleep(seconds)


@pytest.mark.usefixtures("ray_cluster")
def test_a_task_is_asked_to_end_unless_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    ask = ray.cancel

    def noted(task: Any, **how: Any) -> None:
        asked.append(task)
        ask(task, **how)

    monkeypatch.setattr(ray, "cancel", noted)
    done = asleep.remote(0)
    ray.get(done)
    cancel(done)
    assert asked == []
    running = asleep.remote(600)
    cancel(running)
    assert asked == [running]
    with pytest.raises(ray.exceptions.TaskCancelledError):
        ray.get(running)
