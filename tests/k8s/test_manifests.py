"""k8s/: every overlay and component builds, is valid, safe by default, and runs what there is."""

import copy
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.k8s import derive
from tests.k8s.building import K8S, ROOT, built, faults, locked, with_components
from tests.k8s.mistakes import ALL, put
from tests.k8s.rules import pods

OVERLAYS = sorted(path.name for path in (K8S / "overlays").iterdir())
COMPONENTS = sorted(path.name for path in (K8S / "components").iterdir())

Objects = list[dict[str, Any]]


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Objects]:
    """The objects of every overlay, and of every component on the GPU overlay."""
    found = {"base": built(K8S / "base")}
    found |= {name: built(K8S / "overlays" / name) for name in OVERLAYS}
    for name in COMPONENTS:
        folder = tmp_path_factory.mktemp(name)
        found[f"gpu with {name}"] = with_components(folder, K8S / "overlays" / "gpu", name)
    return found


def test_every_object_is_valid_and_safe(everything: dict[str, Objects]) -> None:
    told = {
        f"{name}: {one['kind']} {one['metadata']['name']}: {fault}"
        for name, objects in everything.items()
        for one in objects
        for fault in faults(one)
    }
    assert told == set()


def test_every_object_stands_in_the_namespace(everything: dict[str, Objects]) -> None:
    elsewhere = {
        f"{name}: {one['kind']} {one['metadata']['name']}"
        for name, objects in everything.items()
        for one in objects
        if one["kind"] != "Namespace" and one["metadata"].get("namespace") != "fer-ray"
    }
    assert elsewhere == set()


def test_images_say_which_version_they_hold(everything: dict[str, Objects]) -> None:
    version = f"registry.example/fer-ray:0.1.0-ray{locked('ray')}"
    images = {
        container["image"]
        for objects in everything.values()
        for one in objects
        for _, pod in pods(one)
        for container in pod["containers"]
    }
    ours = {image for image in images if "fer-ray" in image}
    assert ours == {version, f"{version}-gpu"}


def test_the_run_on_a_cluster_of_its_own_has_the_standing_clusters_description(
    everything: dict[str, Objects],
) -> None:
    (standing,) = [one["spec"] for one in everything["gpu"] if one["kind"] == "RayCluster"]
    kinds = {one["kind"]: one for one in everything["gpu with rayjob"]}
    assert "RayCluster" not in kinds
    assert kinds["RayJob"]["spec"]["rayClusterSpec"] == standing


def test_gpu_workers_come_from_none(everything: dict[str, Objects]) -> None:
    (cluster,) = [one["spec"] for one in everything["gpu"] if one["kind"] == "RayCluster"]
    (group,) = [one for one in cluster["workerGroupSpecs"] if one["groupName"] == "gpu"]
    assert (group["minReplicas"], group["replicas"]) == (0, 0)
    assert cluster["enableInTreeAutoscaling"]
    (container,) = group["template"]["spec"]["containers"]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == 1
    tolerated = {one["key"] for one in group["template"]["spec"]["tolerations"]}
    assert tolerated == {"nvidia.com/gpu"}


def entrypoints(objects: Objects) -> Iterator[list[str]]:
    """The command lines within objects that run a job of ours."""
    for one in objects:
        spec = one.get("spec", {})
        texts = [spec.get("entrypoint", ""), spec.get("jobTemplate", {}).get("entrypoint", "")]
        for _, pod in pods(one):
            for container in pod["containers"]:
                words = [*container.get("command", []), *container.get("args", [])]
                texts.append(shlex.join(words))
        for text in texts:
            words = shlex.split(text)
            if any(word.startswith("jobs/") for word in words):
                yield words
            if "--" in words:  # what another program is to run
                yield words[words.index("--") + 1 :]


def test_every_command_line_is_one_that_its_program_takes(
    everything: dict[str, Objects], tmp_path: Path
) -> None:
    lines = {shlex.join(words) for objects in everything.values() for words in entrypoints(objects)}
    assert lines
    (settings,) = [
        one["data"]["settings.yaml"] for one in everything["base"] if one["kind"] == "ConfigMap"
    ]
    (tmp_path / "settings.yaml").write_text(settings)
    for line in lines:
        # A pod's variables are put in place by Kubernetes.
        told = line.replace("/etc/fer-ray", str(tmp_path)).replace("'$(TICK)'", "retrain-29384712")
        python, *words = shlex.split(told)
        assert python == "python"
        place = words.index("--") if "--" in words else len(words)
        done = subprocess.run(
            [sys.executable, *words[:place], "--print_config", *words[place:]],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, (line, done.stdout, done.stderr)
        printed = yaml.safe_load(done.stdout)
        assert place < len(words) or printed["storage"]["uri"] == "s3://fer-ray/runs"


def test_a_schedules_pod_has_one_name_for_its_tick_and_its_training(
    everything: dict[str, Objects],
) -> None:
    (schedule,) = [one["spec"] for one in everything["base"] if one["kind"] == "CronJob"]
    pod = schedule["jobTemplate"]["spec"]["template"]
    (container,) = pod["spec"]["containers"]
    environment = {one["name"]: one.get("valueFrom") for one in container["env"]}
    label = "metadata.labels['batch.kubernetes.io/job-name']"
    assert environment["TICK"] == {"fieldRef": {"fieldPath": label}}
    assert pod["metadata"]["labels"]["fer-ray.io/submits"] == "true"
    named = container["args"]
    assert named[named.index("--submit.id") + 1] == named[named.index("--run") + 1] == "$(TICK)"


@pytest.mark.parametrize(("kind", "path", "value"), ALL, ids=[f"{k} {p} {v}" for k, p, v in ALL])
def test_a_mistake_is_caught(
    everything: dict[str, Objects], kind: str, path: str, value: Any
) -> None:
    overlays = ("gpu with rayjob", "gpu with raycronjob", "gpu with monitoring", "gpu")
    one = next(one for name in overlays for one in everything[name] if one["kind"] == kind)
    wrong = copy.deepcopy(one)
    put(path, value)(wrong)
    assert list(faults(one)) == []
    assert list(faults(wrong)) != []


def test_no_secret_is_part_of_a_manifest(everything: dict[str, Objects]) -> None:
    secret = yaml.safe_load((K8S / "base" / "secret.example.yaml").read_text(encoding="utf-8"))
    assert set(secret["stringData"].values()) == {""}
    assert "no Secret may be part" in " ".join(faults(secret))
    named = {one["kind"] for objects in everything.values() for one in objects}
    assert "Secret" not in named


def test_the_table_of_rays_fields_is_what_the_definitions_say(tmp_path: Path) -> None:
    """Where they lie beside the repository; who has no copy has the table."""
    crds = ROOT.parent / "shared" / "k8s" / "crds"
    if not crds.exists():
        pytest.skip(f"{crds.relative_to(ROOT.parent)} is not beside this repository")
    names = ("rayclusters", "rayjobs", "raycronjobs")
    kinds = derive.of_definitions([crds / f"ray.io_{name}.yaml" for name in names])
    derive.write(kinds, tmp_path / "table.json")
    assert (tmp_path / "table.json").read_bytes() == derive.RAY.read_bytes()


def test_the_table_of_prometheus_fields_is_what_the_models_say(tmp_path: Path) -> None:
    derive.write(derive.of_models(), tmp_path / "table.json")
    assert (tmp_path / "table.json").read_bytes() == derive.PROMETHEUS.read_bytes()
