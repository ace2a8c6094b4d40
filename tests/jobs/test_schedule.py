"""A tick of the schedule for real: its pod's command line, on a cluster that asks for a token."""

import json
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from fer_ray.faces import demo
from fer_ray.runs import champion, layout, record
from fer_ray.runs.storage import Store, store
from tests.drill.runs import wait_for
from tests.k8s.building import K8S
from tests.parquet_faces import write_faces
from tests.ray_head import ROOT, free_port, head
from tests.s3_server import S3

SMALL = {
    "model": {"width": 0.03, "head": "bn", "dropout": 0.0},
    "balance": {"target": "median", "generator_below": 0},
    "optimizer": {"learning_rate": 0.003},
    "training": {"epochs": 4, "batch_size": 32},
    "gate": {"min_faces": 20},
}


class Tick:
    """The pod of a tick: the schedule's command, with this cluster's places in it."""

    def __init__(self, name: str, places: dict[str, str], environment: dict[str, str]) -> None:
        schedule = yaml.safe_load((K8S / "base" / "retraining.yaml").read_text(encoding="utf-8"))
        pod = schedule["spec"]["jobTemplate"]["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        line = shlex.join([*container["command"], *container["args"]])
        for there, here in ({"'$(TICK)'": name} | places).items():
            assert there in line, there
            line = line.replace(there, here)
        self._process = subprocess.Popen(
            shlex.split(line),
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def lost(self) -> None:
        """Its node dies."""
        self._process.kill()
        self._process.communicate()

    def ended(self) -> tuple[int, dict[str, Any], str]:
        """Exit code, outcome, and what it said."""
        out, errors = self._process.communicate(timeout=300)
        return self._process.returncode, json.loads(out.splitlines()[-1]), errors


@pytest.fixture
def runs(s3: S3, tmp_path: Path) -> Store:
    """A bucket with faces in it; where runs are kept there."""
    bucket = s3.bucket()
    images, labels = demo.draw(0, 700, seed=0)
    faces = Path(write_faces(tmp_path / "faces.parquet", images, list(labels)))
    s3.client().upload_file(str(faces), bucket, "faces/part-0.parquet")
    return store(f"s3://{bucket}/runs")


@pytest.fixture
def pod(runs: Store, s3: S3, tmp_path: Path) -> Iterator[Any]:
    """Starts the pod of a tick."""
    (tmp_path / "settings.yaml").write_text(yaml.safe_dump(SMALL | {"storage": {"uri": runs.uri}}))
    dashboard = free_port()
    ports = [f"--dashboard-port={dashboard}", f"--dashboard-agent-listen-port={free_port()}"]
    places = {
        "http://fer-ray-head-svc:8265": f"http://127.0.0.1:{dashboard}",
        "/etc/fer-ray": str(tmp_path),
        "s3://fer-ray/faces": f"{runs.uri.removesuffix('/runs')}/faces",
    }
    with head(s3.environment, "--include-dashboard=true", *ports) as joined:
        token = {name: value for name, value in joined.items() if name != "RAY_ADDRESS"}
        yield lambda name: Tick(name, places, token)


def test_a_tick_whose_pod_is_lost_trains_once_and_the_next_finds_nothing_new(
    pod: Any, runs: Store
) -> None:
    first = pod("fer-ray-retrain-1")
    run = runs.folder("fer-ray-retrain-1")
    wait_for(lambda: bool(record.read_groups(run)), "the training")
    first.lost()
    code, outcome, errors = pod("fer-ray-retrain-1").ended()
    assert (code, outcome["status"]) == (0, "done"), errors
    assert "job fer-ray-retrain-1 is there: attaching to it" in errors
    assert len(record.read_groups(run)) == 1
    (entry,) = champion.history(runs)
    assert (entry.run, entry.who) == ("fer-ray-retrain-1", "schedule")

    code, outcome, errors = pod("fer-ray-retrain-2").ended()
    assert (code, outcome["status"]) == (0, "skipped"), errors
    assert "no face is new" in outcome["reason"]
    assert not runs.exists(f"fer-ray-retrain-2/{layout.CONFIG}")
