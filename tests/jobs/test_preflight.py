"""jobs/preflight.py on a real cluster of two nodes and object storage: all right, then not."""

from collections.abc import Iterator
from typing import Any

import pytest

from fer_ray.runs.storage import store
from tests.ray_head import Node, head
from tests.running import ended
from tests.s3_server import S3, point_at

RUN = ["--data.uri", "demo:", "--model.width", "0.03", "--training.batch_size", "32"]


@pytest.fixture(scope="module")
def cluster(s3_server: S3) -> Iterator[dict[str, str]]:
    """The environment of a job that joins two nodes: three CPUs, and a GPU by the head's word."""
    with head(s3_server.environment, "--num-gpus=1") as joined:
        node = Node(joined, f"--address={joined['RAY_ADDRESS']}", "--num-cpus=1")
        try:
            yield joined
        finally:
            node.ask_to_stop()
            node.wait()


def preflight(
    environment: dict[str, str], *flags: str
) -> tuple[int, dict[str, Any], dict[str, dict[str, str]], str]:
    """Exit code, outcome, its checks by name, and stderr."""
    code, outcome, errors = ended("preflight", *RUN, *flags, env=environment)
    assert "Traceback" not in errors, errors
    return code, outcome, {one["name"]: one for one in outcome["checks"]}, errors


def test_a_cluster_that_is_right_passes_with_a_rehearsal_and_nothing_stays(
    cluster: dict[str, str], s3: S3
) -> None:
    runs = f"s3://{s3.bucket()}/runs"
    where = ["--storage.uri", runs, "--cluster.num_workers", "2"]
    code, outcome, checks, errors = preflight(cluster, *where, "--preflight.rehearse", "true")
    assert (code, outcome["status"]) == (0, "done"), errors
    states = {name: one["state"] for name, one in checks.items()}
    assert states.pop("time") == "not tried"  # drawn faces: nobody knows how many
    assert set(states.values()) == {"passed"}, errors
    assert checks["nodes answer"]["told"] == "2 of 2"
    assert checks["steps"]["told"].startswith("of 32 faces on 2 worker(s)")
    assert checks["resume"]["told"].endswith("to the same bits")
    assert all(f"{name}  " in errors for name in checks)
    assert store(runs).listing() == []


def test_a_gpu_that_tensorflow_does_not_see_fails_before_the_rehearsal(
    cluster: dict[str, str], s3: S3
) -> None:
    where = ["--storage.uri", f"s3://{s3.bucket()}/runs", "--cluster.use_gpu", "true"]
    code, outcome, checks, errors = preflight(cluster, *where, "--preflight.gpu", "true")
    assert (code, outcome["status"]) == (3, "refused"), errors
    assert checks["GPU"]["state"] == "failed"
    assert "TensorFlow must see the GPU that Ray reserved for it" in checks["GPU"]["told"]
    assert "steps" not in checks
    assert outcome["error"] == f"1 of {len(checks)} failed: GPU"


def test_a_node_without_the_rights_and_workers_that_are_not_there_are_told(
    cluster: dict[str, str], s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = f"s3://{s3.bucket()}/runs"
    stranger = s3.stranger("s3:GetObject", "s3:ListBucket").environment
    node = Node(cluster | stranger, f"--address={cluster['RAY_ADDRESS']}", "--num-cpus=1")
    try:
        wanted = ["--cluster.num_workers", "9", "--training.batch_size", "32"]
        code, outcome, checks, errors = preflight(
            cluster, "--storage.uri", runs, *wanted, "--preflight.rehearse", "true"
        )
    finally:
        node.ask_to_stop()
        node.wait()
    assert (code, outcome["status"]) == (3, "refused"), errors
    assert checks["nodes answer"]["told"] == "3 of 3"
    told = checks["storage: write"]["told"]
    assert "access denied (on " in told
    assert "storage.uri must be writable" in told
    assert checks["workers fit"]["state"] == "warned"
    assert "for 9 worker(s): there are 4 CPUs" in checks["workers fit"]["told"]
    assert checks["rehearsal"]["told"].startswith("first mend storage: write")
    point_at(s3, monkeypatch)
    assert store(runs).listing() == []


def test_a_relative_place_in_a_cluster_of_nodes_fails_and_the_rest_is_still_told(
    cluster: dict[str, str], tmp_path: Any
) -> None:
    code, _, checks, _ = preflight(cluster, "--storage.uri", str(tmp_path / "runs"))
    assert code == 3
    assert checks["places"]["told"].startswith("storage.uri must be where all 2 nodes")
    assert checks["data"]["state"] == "passed"
