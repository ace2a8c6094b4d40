"""The Ray cluster at hand: joined or started, and asked whether it can place what a run needs."""

import logging
import math
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import ray
import ray.data
from ray.autoscaler.sdk import request_resources

from fer_ray.cluster.source import DEMO
from fer_ray.config import ClusterConfig, local_path

DATA_CPUS = 1  # left to Ray Data's tasks, which would otherwise wait for ever
_POLL_S = 1.0
_WORKING_COPIES = "/runtime_resources/working_dir_files/"  # where Ray unpacks --working-dir

logger = logging.getLogger(__name__)


@contextmanager
def session(verbose: bool) -> Iterator[None]:
    """Join the cluster that RAY_ADDRESS names, or start Ray on this machine until the end.

    A Ray that the process is already in (a test's, say) is used and left as it is.
    """
    if ray.is_initialized():
        yield
        return
    level = logging.INFO if verbose else logging.ERROR
    alone = "RAY_ADDRESS" not in os.environ
    logger.info("starting Ray on this machine" if alone else "joining the Ray cluster")
    ray.init(
        address="local" if alone else None,
        include_dashboard=False if alone else None,
        logging_level=level,
        log_to_driver=verbose,
    )
    for name in ("ray", "ray.data", "ray.train"):  # Ray Data sets its own at its import
        logging.getLogger(name).setLevel(level)
    ray.data.DataContext.get_current().enable_progress_bars = verbose
    try:
        yield
    finally:
        ray.shutdown()


def check_shared(uris: Mapping[str, str | None]) -> None:
    """Refuse places that other nodes, or this one after the job, would not find again.

    Args:
        uris: by the names of their settings.

    Raises:
        ValueError: a path on this machine while the cluster has other nodes, or a path in the
            temporary copy of its folder that a submitted job runs in.
    """
    nodes = sum(node["Alive"] for node in ray.nodes())  # type: ignore[no-untyped-call]
    for setting, uri in uris.items():
        path = None if uri is None or uri == DEMO else local_path(uri)
        if path is None:
            continue
        if nodes > 1:
            raise ValueError(
                f"{setting} must be where all {nodes} nodes of the cluster reach it, such as"
                f" s3://BUCKET/FOLDER, got {path} on one of them"
            )
        if _WORKING_COPIES in path:
            raise ValueError(
                f"{setting} must outlive the submitted job, such as s3://BUCKET/FOLDER, got {path}"
                " in the temporary copy of its folder"
            )


def check_resources(settings: ClusterConfig) -> None:
    """Return once the cluster has what the smallest worker group and Ray Data need.

    A cluster started by the job has what this machine has. One that was joined may grow: its
    autoscaler is asked, and ``cluster.resource_timeout_s`` bounds the wait.

    Raises:
        ValueError: it has not, and will not in that time; says what is missing.
    """
    workers = settings.fewest_workers
    needed = {
        "CPU": workers * settings.cpus_per_worker + DATA_CPUS,
        "GPU": float(workers) if settings.use_gpu else 0.0,
    }
    deadline = time.monotonic() + (settings.resource_timeout_s if _may_grow() else 0)
    told = False
    while missing := _missing(needed, _cluster_has()):
        if time.monotonic() >= deadline:
            raise ValueError(_shortage(missing, needed, settings))
        if not told:
            logger.info("waiting for the cluster to grow: it has too few %s", " and ".join(missing))
            request_resources(bundles=[{"CPU": DATA_CPUS}, *[worker_resources(settings)] * workers])
            told = True
        time.sleep(_POLL_S)  # the condition is the cluster's; Ray offers no call that waits for it


def worker_resources(settings: ClusterConfig) -> dict[str, float]:
    """What one training worker reserves."""
    return {"CPU": settings.cpus_per_worker} | ({"GPU": 1.0} if settings.use_gpu else {})


def _may_grow() -> bool:
    """Whether nodes may still join: only where this process did not start Ray itself."""
    return "RAY_ADDRESS" in os.environ


def _cluster_has() -> dict[str, float]:
    has: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    return has


def _missing(needed: dict[str, float], has: dict[str, float]) -> list[str]:
    return [kind for kind, count in needed.items() if has.get(kind, 0) < count]


def _shortage(missing: list[str], needed: dict[str, float], settings: ClusterConfig) -> str:
    """The sentence that says what is too little, with the arithmetic."""
    has = _cluster_has()
    kind = missing[0]
    workers = settings.fewest_workers
    if kind == "GPU":
        return (
            f"cluster.num_workers must be at most the GPUs there are ({has.get('GPU', 0):g}) with"
            f" cluster.use_gpu, got {workers}"
        )
    room = math.floor(max(0.0, has.get("CPU", 0) - DATA_CPUS) * 100 / workers) / 100
    return (
        f"cluster.cpus_per_worker must be at most {room:g} for {workers} worker(s): there are"
        f" {has.get('CPU', 0):g} CPUs and Ray Data needs {DATA_CPUS} of them,"
        f" got {settings.cpus_per_worker:g} (in all {needed['CPU']:g})"
    )
