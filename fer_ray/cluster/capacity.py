"""What the cluster has: whether it can place a run's workers, how many, and where work is done."""

import logging
import math
from collections.abc import Mapping
from typing import Any

import ray
from ray.util.placement_group import placement_group, remove_placement_group
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from fer_ray.cluster.session import alive_nodes, joins
from fer_ray.config import ClusterConfig

DATA_CPUS = 1  # left to Ray Data's tasks, which would otherwise wait for ever

logger = logging.getLogger(__name__)


def check_resources(settings: ClusterConfig) -> None:
    """Return once the cluster can place the smallest worker group and a task of Ray Data.

    A cluster that the job started has what this machine has. One that was joined may be busy, or
    grow: Ray is asked to place the group, which its autoscaler sees, for
    ``cluster.resource_timeout_s`` at most.

    Raises:
        ValueError: it has not, or did not place them in that time; says what is missing.
    """
    if not joins():
        check_totals(settings)
    if settings.fewest_workers < settings.most_workers:
        _check_a_node_alone(settings)
    workers = [worker_resources(settings)] * settings.fewest_workers
    group = placement_group([{"CPU": DATA_CPUS}, *workers], strategy="PACK")
    try:
        if group.wait(1):
            return
        logger.info("waiting for the cluster to place %d worker(s)", len(workers))
        if not group.wait(settings.resource_timeout_s):
            check_totals(settings)
            raise ValueError(
                f"cluster.num_workers must be what the cluster can place within"
                f" cluster.resource_timeout_s ({settings.resource_timeout_s:g} s), got"
                f" {len(workers)} of {worker_resources(settings)} beside {DATA_CPUS} CPU for data"
            )
    finally:
        remove_placement_group(group)


def check_totals(settings: ClusterConfig) -> None:
    """Return if the cluster, were it idle, has enough for the smallest worker group.

    Raises:
        ValueError: it has not; says what is missing.
    """
    has, workers = _cluster_has(), settings.fewest_workers
    if settings.use_gpu and has.get("GPU", 0) < workers:
        raise ValueError(
            f"cluster.num_workers must be at most the GPUs there are ({has.get('GPU', 0):g}) with"
            f" cluster.use_gpu, got {workers}"
        )
    if has.get("CPU", 0) < workers * settings.cpus_per_worker + DATA_CPUS:
        room = math.floor(max(0.0, has.get("CPU", 0) - DATA_CPUS) * 100 / workers) / 100
        raise ValueError(
            f"cluster.cpus_per_worker must be at most {room:g} for {workers} worker(s): there are"
            f" {has.get('CPU', 0):g} CPUs and Ray Data needs {DATA_CPUS} of them,"
            f" got {settings.cpus_per_worker:g}"
        )


def workers_wanted(settings: ClusterConfig) -> int | tuple[int, int]:
    """``cluster.num_workers``; of a range, what leaves Ray Data its CPU on the cluster as it is."""
    if isinstance(settings.num_workers, int):
        return settings.num_workers
    fewest, most = settings.num_workers
    room = math.floor((_cluster_has().get("CPU", 0) - DATA_CPUS) / settings.cpus_per_worker)
    most = max(fewest, min(most, room))
    # A range of one is no range to Ray either: its elastic groups wait up to 180 s where a node
    # died that had the controller of the one before, until its claim on the cluster expires.
    return fewest if fewest == most else (fewest, most)


def groups_at_once(settings: ClusterConfig) -> int:
    """How many worker groups fit on the cluster's nodes beside a task of Ray Data; at least one.

    Of a range of workers the most that a group may take counts. Ray Train places a group whole or
    not at all, so that groups beyond this wait and hold nothing.
    """
    wanted = workers_wanted(settings)
    workers = wanted if isinstance(wanted, int) else wanted[1]
    nodes = [node["Resources"] for node in alive_nodes()]
    largest = max(range(len(nodes)), key=lambda nth: nodes[nth].get("CPU", 0))
    rooms = []
    for nth, node in enumerate(nodes):
        rooms.append(_room(node, settings, DATA_CPUS if nth == largest else 0))
    return max(1, sum(rooms) // workers)


def worker_resources(settings: ClusterConfig) -> dict[str, float]:
    """What one training worker reserves."""
    return {"CPU": settings.cpus_per_worker} | ({"GPU": 1.0} if settings.use_gpu else {})


def threads_of(settings: ClusterConfig, world: int) -> int:
    """How many threads one of ``world`` workers may use on the node that this is called on.

    Its share of the node's CPUs if all that fit were there, wherever they are, since bits depend
    on it; of those left to data too, which is cheap. TensorFlow by itself has as many threads in
    each as the node has cores, which then get in each other's way. Trials of a sweep that run side
    by side are not counted: the winner's bits must be what it gives alone.
    """
    here = ray.get_runtime_context().get_node_id()
    (node,) = (node["Resources"] for node in alive_nodes() if node["NodeID"] == here)
    cpus = float(node.get("CPU", 1))
    return max(1, math.floor(cpus / max(1, min(world, _room(node, settings)))))


def where_work_is_done() -> NodeAffinitySchedulingStrategy:
    """Where to run what needs memory but reserves no CPU: a node that has CPUs, as a head may not.

    Left alone, Ray puts such a task beside the driver.
    """
    return NodeAffinitySchedulingStrategy(_working_node()["NodeID"], soft=True)


def _working_node() -> dict[str, Any]:
    """The node with the most CPUs."""
    return max(alive_nodes(), key=lambda node: (node["Resources"].get("CPU", 0), node["NodeID"]))


def _check_a_node_alone(settings: ClusterConfig) -> None:
    """Raise if a range of workers might fill a node, were it the last that is left.

    Ray takes as many of a range as find room, at the start and after a node was lost, and knows
    nothing of what else needs a CPU: faces that the node had must be read again, by tasks.
    """
    for node in alive_nodes():
        cpus = node["Resources"].get("CPU", 0)
        workers = min(settings.most_workers, _room(node["Resources"], settings))
        if workers * settings.cpus_per_worker > max(0, cpus - DATA_CPUS):
            raise ValueError(
                f"cluster.cpus_per_worker must leave {DATA_CPUS} CPU of a node to Ray Data however"
                f" many of cluster.num_workers ([{settings.fewest_workers},"
                f" {settings.most_workers}]) it takes, got {settings.cpus_per_worker:g}:"
                f" {workers} fill a node of {cpus:g}"
            )


def _room(node: Mapping[str, float], settings: ClusterConfig, kept: int = 0) -> int:
    """How many workers fit on a node of these resources beside ``kept`` of its CPUs."""
    room = math.floor((node.get("CPU", 0) - kept) / settings.cpus_per_worker)
    if settings.use_gpu:
        room = min(room, math.floor(node.get("GPU", 0)))
    return max(0, room)


def _cluster_has() -> dict[str, float]:
    has: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    return has
