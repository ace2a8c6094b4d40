"""The Ray cluster at hand: joined or started, and what it can reach."""

import logging
import os
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import ray
import ray.data

from fer_ray.cluster.source import DEMO
from fer_ray.names import local_path

_IN_A_POD = "RAY_USAGE_STATS_KUBERAY_IN_USE"  # KubeRay sets it in all pods that run Ray
OWN = "FER_RAY_OWN_RAY"  # set in all processes of a Ray that a job started, and in no other's
# How Ray runs where nothing but the job runs, if the environment does not say otherwise.
_ALONE = {
    OWN: "1",
    "RAY_worker_niceness": "0",
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
    "RAY_event_stats": "0",  # of what each process handles, for Ray's debugging
    # How often its services look for new log files, and at what each process takes (ms).
    "RAY_LOG_MONITOR_MANY_FILES_THRESHOLD": "0",
    "LOG_NAME_UPDATE_INTERVAL_S": "2",
    "REPORTER_UPDATE_INTERVAL_MS": "30000",
}
_WORKING_COPIES = "/runtime_resources/working_dir_files/"  # where Ray unpacks --working-dir

logger = logging.getLogger(__name__)


@contextmanager
def session(verbose: bool) -> Iterator[None]:
    """Join the cluster that RAY_ADDRESS names, or start Ray on this machine until the end.

    A Ray that the process is already in (a test's, say) is used and left as it is. One that is
    started here lets its workers run at the priority of all else, unless the environment says
    otherwise: Ray's own choice, 15 below its services, cost training a twentieth of its CPU time.
    Nor does it watch for nodes that are about to go: a process for each worker group (1.7 CPU s).
    """
    if ray.is_initialized():
        yield
        return
    level = logging.INFO if verbose else logging.ERROR
    alone = not joins()
    logger.info("starting Ray on this machine" if alone else "joining the Ray cluster")
    if alone:
        for name, value in _ALONE.items():
            os.environ.setdefault(name, value)
    with own_handler(signal.SIGTERM):
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


@contextmanager
def own_handler(number: signal.Signals) -> Iterator[None]:
    """Give a signal back the handler that it had before, where the main thread is asked.

    Ray installs one of its own for SIGTERM, which ends the process without a word, and Ray Train
    one for SIGINT.
    """
    before = signal.getsignal(number)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(number, before)


def cancel(task: "ray.ObjectRef[Any]") -> None:
    """Ask a task to end, unless it has; its own tasks go on.

    A process that cancels a task while Ray notes down its end dies of a failed check within Ray
    2.60 (``it != submissible_tasks_.end()``), which ``finally: ray.cancel(task)`` after ``ray.get``
    does now and then: it is the end that has let ``ray.get`` return.
    """
    if not ray.wait([task], timeout=0)[0]:
        ray.cancel(task, recursive=False)


def joins() -> bool:
    """Whether ``session`` joins a cluster that is there, and does not start Ray on this machine."""
    return "RAY_ADDRESS" in os.environ


def alive_nodes() -> list[dict[str, Any]]:
    """What Ray tells of each node of the cluster that lives."""
    nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    return [node for node in nodes if node["Alive"]]


def check_kept(uris: Mapping[str, str | None]) -> None:
    """Refuse places that are gone when a submitted job ends; Ray need not be up.

    Args:
        uris: by the names of their settings.

    Raises:
        ValueError: a path in the temporary copy of its folder that a submitted job runs in.
    """
    for setting, path in _local(uris):
        if _WORKING_COPIES in path:
            raise ValueError(
                f"{setting} must outlive the submitted job, such as s3://BUCKET/FOLDER, got {path}"
                " in the temporary copy of its folder"
            )


def check_shared(uris: Mapping[str, str | None]) -> None:
    """Refuse places that other nodes of the cluster, there now or still to come, would not find.

    Args:
        uris: by the names of their settings.

    Raises:
        ValueError: a path on this machine while the cluster has other nodes, or is KubeRay's,
            whose pods come and go with their disks.
    """
    nodes = len(alive_nodes())
    if nodes == 1 and _IN_A_POD not in os.environ:
        return
    everywhere = f"all {nodes} nodes of the cluster" if nodes > 1 else "every pod, now and later,"
    for setting, path in _local(uris):
        raise ValueError(
            f"{setting} must be where {everywhere} can reach it, such as s3://BUCKET/FOLDER,"
            f" got {path} on one of them"
        )


def _local(uris: Mapping[str, str | None]) -> list[tuple[str, str]]:
    """Those of ``uris`` that are paths on one machine."""
    paths = {name: local_path(uri) for name, uri in uris.items() if uri and uri != DEMO}
    return [(name, path) for name, path in paths.items() if path is not None]
