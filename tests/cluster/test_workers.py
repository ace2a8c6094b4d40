"""How a worker group is ended by a task that is itself being cancelled."""

import time
from pathlib import Path
from typing import Any

import pytest
import ray
import ray.train
from ray.train.v2._internal.callbacks.datasets import DatasetsCallback
from ray.train.v2._internal.callbacks.placement_group_callback import PlacementGroupCleanerCallback
from ray.train.v2.tensorflow.tensorflow_trainer import TensorflowTrainer

from fer_ray.cluster import workers
from fer_ray.cluster.trainer import Trainer, TrainerAlone
from tests.drill.runs import wait_for

pytestmark = pytest.mark.usefixtures("ray_cluster")


@ray.remote(num_cpus=0)
def _group(told: Path) -> None:
    """Stands for a trainer: it goes on until it is interrupted, and says so."""
    (told / "began").touch()
    try:
        while True:
            time.sleep(0.02)
    except BaseException:
        (told / "interrupted").touch()
        raise


@ray.remote(num_cpus=0, max_retries=0)
def _owner(told: Path) -> None:
    """Waits for its group as ``run_to_end`` does, and ends it when it is cancelled."""
    group = _group.remote(told)
    try:
        while not ray.wait([group], timeout=0.2)[0]:
            pass
    except BaseException:
        workers._end(group)
        (told / "ended").touch()
        raise


def test_a_group_does_without_processes_of_no_use_to_it_and_has_all_others() -> None:
    def loop(_: dict[str, Any]) -> None:
        pass

    for ours, without in (
        (Trainer, {DatasetsCallback}),
        (TrainerAlone, {DatasetsCallback, PlacementGroupCleanerCallback}),
    ):
        trainer = ours(loop, {}, ray.train.ScalingConfig(), ray.train.RunConfig())
        rays = [type(one) for one in TensorflowTrainer._create_default_callbacks(trainer)]
        has = [type(one) for one in trainer._create_default_callbacks()]
        assert set(rays) - set(has) == without
        assert has == [one for one in rays if one not in without]


def test_a_cancelled_owner_ends_its_group_though_ray_interrupts_it_again(tmp_path: Path) -> None:
    owner = _owner.remote(tmp_path)
    wait_for((tmp_path / "began").exists, "the group")
    ray.cancel(owner, recursive=False)
    wait_for((tmp_path / "ended").exists, "the group's end")
    assert (tmp_path / "interrupted").exists()
    with pytest.raises(ray.exceptions.TaskCancelledError):
        ray.get(owner)
