"""jobs/train.py as it is used on a cluster: submitted by ``ray job submit``, and joined to one.

The cluster asks for its token, and runs are kept in a real S3 server that asks for a key.
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from fer_ray.runs import layout
from fer_ray.runs.storage import store
from tests.ray_head import RAY, ROOT, free_port, head
from tests.s3_server import S3

TINY = {
    "--data.demo_faces": "600",
    "--balance.target": "none",
    "--model.width": "0.03",
    "--training.epochs": "2",
    "--cluster.cpus_per_worker": "0.5",
}
TRAIN = ["jobs/train.py", *(word for flag in TINY.items() for word in flag)]


@pytest.fixture(scope="module")
def cluster(s3_server: S3) -> Iterator[dict[str, str]]:
    """The environment of who may use a cluster with a dashboard, which takes submitted jobs."""
    dashboard = free_port()
    ports = [f"--dashboard-port={dashboard}", f"--dashboard-agent-listen-port={free_port()}"]
    with head(s3_server.environment, "--include-dashboard=true", *ports) as joined:
        ours = joined | {"RAY_API_SERVER_ADDRESS": f"http://127.0.0.1:{dashboard}"}
        wait_for_agent(ours)
        yield ours


def wait_for_agent(cluster: dict[str, str]) -> None:
    """Return once the cluster runs submitted jobs: its node's agent starts after Ray itself."""
    deadline = time.monotonic() + 60
    while (ended := submit(cluster, "true")).returncode:
        told = ended.stdout + ended.stderr
        assert "No available agent" in told or "Connection" in told, told
        assert time.monotonic() < deadline, told


def submit(cluster: dict[str, str], *command: str) -> "subprocess.CompletedProcess[str]":
    """What ``ray job submit`` came to."""
    return subprocess.run(
        [*RAY, "job", "submit", "--working-dir", ".", "--", *command],
        cwd=ROOT,
        env={name: value for name, value in cluster.items() if name != "RAY_ADDRESS"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def submitted(cluster: dict[str, str], *flags: str) -> tuple[int, dict[str, Any], str]:
    """Exit code of ``ray job submit`` for a training, the job's outcome, and all that was told."""
    ended = submit(cluster, "python", *TRAIN, *flags)
    told = ended.stdout + ended.stderr
    # A set: what a failed job said last, ray tells once more.
    (outcome,) = {line for line in told.splitlines() if line.startswith('{"status"')}
    return ended.returncode, json.loads(outcome), told


def test_a_submitted_job_trains_into_object_storage_and_a_joined_one_finds_it_done(
    cluster: dict[str, str], s3: S3
) -> None:
    uri = f"s3://{s3.bucket()}/runs"
    flags = ["--storage.uri", uri, "--run", "submitted"]
    code, outcome, told = submitted(cluster, *flags)
    assert (code, outcome["status"]) == (0, "done"), told
    run = store(f"{uri}/submitted")
    kept = {entry.key for entry in run.listing()}
    assert {layout.OUTCOME, layout.CONFIG, layout.METRICS} <= kept
    assert f"{layout.MODEL}/{layout.MODEL_FILE}" in kept
    assert not any(key.startswith(f"{layout.RAY}/") for key in kept)
    assert s3.secret not in told
    assert not any(s3.secret.encode() in run.read_bytes(key) for key in kept)

    joined = subprocess.run(
        [sys.executable, *TRAIN, *flags],
        cwd=ROOT,
        env=cluster,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    again = json.loads(joined.stdout)
    assert (joined.returncode, again["status"]) == (0, "already_done"), joined.stderr
    assert again["metrics"] == outcome["metrics"]


def test_a_submitted_job_that_names_no_storage_is_refused(cluster: dict[str, str]) -> None:
    code, outcome, told = submitted(cluster)
    assert (code, outcome["status"]) == (1, "invalid"), told
    assert "storage.uri must outlive the submitted job" in outcome["error"]


def test_a_cluster_takes_no_job_from_who_has_no_token(cluster: dict[str, str]) -> None:
    ended = submit(cluster | {"RAY_AUTH_TOKEN": "another"}, "true")
    assert ended.returncode == 1
    assert "Authentication" in ended.stderr
