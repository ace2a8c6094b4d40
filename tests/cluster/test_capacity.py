"""fer_ray.cluster.capacity on a cluster of two CPUs: how many trials it has room for."""

from typing import Any

import pytest

from fer_ray.cluster import capacity, sweep
from fer_ray.config import ClusterConfig
from fer_ray.search import SweepConfig

pytestmark = pytest.mark.usefixtures("ray_cluster")


@pytest.mark.parametrize(
    ("workers", "cpus", "groups"),
    [
        (1, 1.0, 1),
        (1, 0.5, 2),
        (1, 0.25, 4),
        (2, 0.5, 1),
        (2, 0.25, 2),
        ((1, 4), 0.25, 1),  # the first group would take all
        ((1, 2), 0.25, 2),
    ],
)
def test_groups_fit_beside_a_task_of_ray_data(
    workers: int | tuple[int, int], cpus: float, groups: int
) -> None:
    given: dict[str, Any] = {"num_workers": workers, "cpus_per_worker": cpus}
    assert capacity.groups_at_once(ClusterConfig(**given)) == groups


@pytest.mark.parametrize(
    ("node", "gpu", "kept", "room"),
    [
        ({"CPU": 8.0, "GPU": 2.0}, False, 0, 4),
        ({"CPU": 8.0, "GPU": 2.0}, False, 1, 3),
        ({"CPU": 8.0, "GPU": 2.0}, True, 0, 2),
        ({"CPU": 3.0, "GPU": 2.0}, True, 0, 1),
        ({"CPU": 8.0}, True, 0, 0),
        ({}, False, 1, 0),
    ],
)
def test_a_node_has_room_for_workers_of_two_cpus(
    node: dict[str, float], gpu: bool, kept: int, room: int
) -> None:
    assert capacity._room(node, ClusterConfig(cpus_per_worker=2, use_gpu=gpu), kept) == room


@pytest.mark.parametrize(
    ("world", "cpus", "threads"),
    [(1, 1.0, 2), (1, 0.5, 2), (2, 0.5, 1), (4, 0.25, 1), (2, 1.5, 2), (9, 0.1, 1)],
)
def test_a_worker_has_its_share_of_a_nodes_threads(world: int, cpus: float, threads: int) -> None:
    """Two of 1.5 CPUs are never on one node of two, so that each has both."""
    settings = ClusterConfig(num_workers=world, cpus_per_worker=cpus)
    assert capacity.threads_of(settings, world) == threads


def test_more_than_there_is_is_told_with_the_arithmetic() -> None:
    with pytest.raises(ValueError, match="for 2 worker"):
        capacity.check_resources(
            ClusterConfig(num_workers=2, cpus_per_worker=1, resource_timeout_s=0)
        )


def test_a_machine_alone_refuses_more_trials_at_a_time_than_it_has_room_for() -> None:
    settings: dict[str, Any] = {
        "data": {"uri": "demo:"},
        "training": {"batch_size": 32},
        "cluster": {"num_workers": 2, "cpus_per_worker": 0.5},
    }
    sweep._check_room(SweepConfig.model_validate(settings | {"tune": {"at_once": 1}}))
    with pytest.raises(ValueError, match=r"^tune\.at_once must be at most .* \(1\), got 2$"):
        sweep._check_room(SweepConfig.model_validate(settings | {"tune": {"at_once": 2}}))
