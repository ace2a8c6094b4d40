"""The drill in short, on a real cluster that asks for its token, and a real S3 server.

One run is submitted by ``ray job submit``, and nothing happens to it; one joins the cluster, and
much does. ``python -m tests.drill`` strikes with one fault at a time, and with more of them.
"""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest

from fer_ray.runs import layout
from tests.drill.place import Place
from tests.drill.runs import Run, wait_for
from tests.flaky import Flaky
from tests.ray_head import RAY, ROOT
from tests.s3_server import S3, point_at
from tests.scraped import Figures, scraping
from tests.scraped import figures as scraped

REPORTS_S = 4  # between two reports of a process to its node's agent, which forgets after two
SMALL = {"data.demo_faces": "1200", "training.epochs": "4"}
TRAIN = ("python", "jobs/train.py")


@pytest.fixture(scope="module")
def place(s3_server: S3) -> Iterator[Place]:
    with Flaky(s3_server.endpoint) as relay, pytest.MonkeyPatch.context() as environment:
        point_at(s3_server, environment)
        yield Place(s3_server, relay)


@pytest.fixture(scope="module")
def cluster(place: Place) -> Iterator[dict[str, str]]:
    """The environment of who may use the cluster."""
    with place.cluster(RAY_metrics_report_interval_ms=f"{REPORTS_S}000") as there:
        yield there


def submit(cluster: dict[str, str], *command: str) -> "subprocess.CompletedProcess[str]":
    """What ``ray job submit`` came to, once the cluster takes jobs, which is after it is up."""
    deadline = time.monotonic() + 60
    while True:
        ended = subprocess.run(
            [*RAY, "job", "submit", "--working-dir", ".", "--", *command],
            cwd=ROOT,
            env={name: value for name, value in cluster.items() if name != "RAY_ADDRESS"},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        told = ended.stdout + ended.stderr
        if "No available agent" not in told and "Failed to connect" not in told:
            return ended
        assert time.monotonic() < deadline, told


def submitted(cluster: dict[str, str], *flags: str) -> tuple[int, dict[str, Any], str]:
    """Exit code of ``ray job submit`` for a training, the job's outcome, and all that was told."""
    ended = submit(cluster, *TRAIN, *flags)
    told = ended.stdout + ended.stderr
    # A set: what a failed job said last, ray tells once more.
    (outcome,) = {line for line in told.splitlines() if line.startswith('{"status"')}
    return ended.returncode, json.loads(outcome), told


def test_a_submitted_job_that_names_no_storage_is_refused(cluster: dict[str, str]) -> None:
    code, outcome, told = submitted(cluster)
    assert (code, outcome["status"]) == (1, "invalid"), told
    assert "storage.uri must outlive the submitted job" in outcome["error"]


def test_a_cluster_takes_no_job_from_who_has_no_token(cluster: dict[str, str]) -> None:
    ended = submit(cluster | {"RAY_AUTH_TOKEN": "another"}, "true")
    assert ended.returncode == 1
    assert "Authentication" in ended.stderr


@pytest.fixture(scope="module")
def calm(place: Place, cluster: dict[str, str]) -> "Calm":
    """A run that was submitted: the run, its outcome, all that ``ray`` told and the head showed."""
    run = place.run("calm", **SMALL)
    with scraping(place.metrics_port) as seen:
        code, outcome, told = submitted(cluster, *run.flags())
    assert (code, outcome["status"]) == (0, "done"), told
    return run, outcome, told, seen


Calm = tuple[Run, dict[str, Any], str, list[Figures]]


def test_a_submitted_job_trains_into_object_storage_and_a_joined_one_finds_it_done(
    calm: Calm, cluster: dict[str, str], s3_server: S3
) -> None:
    run, outcome, told, _ = calm
    kept = {entry.key for entry in run.folder.listing()}
    assert {layout.OUTCOME, layout.CONFIG, layout.METRICS} <= kept
    assert f"{layout.MODEL}/{layout.MODEL_FILE}" in kept
    assert not any(key.startswith(f"{layout.RAY}/") for key in kept)
    assert s3_server.secret not in told
    assert not any(s3_server.secret.encode() in run.folder.read_bytes(key) for key in kept)

    run.start(cluster)
    code, again = run.outcome(timeout_s=120)
    assert (code, again["status"]) == (0, "already_done"), run.errors()
    assert again["metrics"] == outcome["metrics"]


def test_prometheus_sees_a_runs_figures_as_long_as_it_lasts(calm: Calm, place: Place) -> None:
    run, outcome, _, seen = calm
    there = [look for look in seen if look]
    last = run.epochs()[-1]
    figures = {
        "refused_rows": outcome["refused_rows"],
        "planned_epochs": int(SMALL["training.epochs"]),
        "epoch": last["epoch"],
        "images_per_second": last["images_per_s"],
        "training_loss": last["train"]["loss"],
        "validation_loss": last["validation"]["loss"],
        "validation_accuracy": last["validation"]["accuracy"],
        "validation_macro_f1": last["validation"]["macro_f1"],
        "checkpoint_wait_seconds": last["save_wait_s"],
    }
    assert there[-1] == {(f"ray_fer_ray_{name}", "calm"): one for name, one in figures.items()}
    told_once = ("ray_fer_ray_planned_epochs", "calm")
    looks = "".join("x" if told_once in look else " " for look in seen)
    assert " " not in looks.strip()  # Ray forgets what is not set again
    wait_for(lambda: not scraped(place.metrics_port), "the end of its figures", 10 * REPORTS_S)


def reach(run: Run, ahead: int) -> int:
    """The newest checkpoint's step, once the run is ``ahead`` steps further."""
    return run.wait_for_step(run.saved() + ahead)


def test_a_run_that_much_happens_to_ends_as_an_undisturbed_one(
    calm: Calm, place: Place, cluster: dict[str, str], s3_server: S3
) -> None:
    run, second = (place.run("struck", **SMALL) for _ in range(2))
    run.start(cluster)
    reach(run, 10)
    second.start(cluster)
    (worker,) = place.workers()
    for one in ("PreemptionWatcher", "PlacementGroupCleaner"):  # where a job joins, Ray needs them
        assert any(node.processes(one) for node in place.nodes)
    os.kill(worker, signal.SIGKILL)
    code, outcome = second.outcome()
    assert (code, outcome["status"]) == (4, "held")
    assert f"process {run.job.pid} on" in outcome["error"]
    reach(run, 10)

    run.job.terminate()
    code, outcome = run.outcome(timeout_s=10)
    assert (code, outcome["status"]) == (1, "interrupted")
    newest = run.saved()
    key = f"{layout.checkpoint_folder(newest)}/weights.npz"
    content = bytearray(run.folder.read_bytes(key))
    content[len(content) // 2] ^= 1
    run.folder.write_bytes(key, bytes(content))

    run.start(cluster)
    run.wait_for_step(newest + 10)
    assert f"passed over a checkpoint: {key} must have SHA-256" in run.errors()
    place.relay.trouble = "drops"
    wait_for(lambda: "trying again in" in run.errors(), "a word about the storage")
    place.relay.trouble = None
    outcome = run.done()

    assert run.digests() == calm[0].digests()
    assert run.batches() == calm[0].batches()
    assert len(outcome["worker_groups"]) >= 3
    assert {group["attempt"] for group in outcome["worker_groups"]} == {1, 2}
    everything = (
        run.errors()
        + second.errors()
        + "".join(
            run.folder.read_bytes(entry.key).decode(errors="replace")
            for entry in run.folder.listing()
        )
    )
    assert s3_server.secret not in everything
    assert "worker 0 of 1 begins at step" in run.logs()
