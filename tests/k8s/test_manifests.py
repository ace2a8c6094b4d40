"""k8s/: every overlay and component builds, is valid, safe by default, and runs what there is."""

import copy
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.k8s import derive
from tests.k8s.building import K8S, ROOT, built, faults, locked, with_components
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
        texts = [one["spec"].get("entrypoint", "")] if "spec" in one else []
        for _, pod in pods(one):
            for container in pod["containers"]:
                words = [*container.get("command", []), *container.get("args", [])]
                texts.append(shlex.join(words))
        for text in texts:
            words = shlex.split(text)
            if any(word.startswith("jobs/") for word in words):
                yield words


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
        python, *words = shlex.split(line.replace("/etc/fer-ray", str(tmp_path)))
        assert python == "python"
        done = subprocess.run(
            [sys.executable, *words, "--print_config"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, (line, done.stdout, done.stderr)
        assert yaml.safe_load(done.stdout)["storage"]["uri"] == "s3://fer-ray/runs"


def put(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    """A mistake: ``value`` at a path of fields and numbers; ``...`` takes away what is there."""

    def change(one: dict[str, Any]) -> None:
        *way, last = [int(part) if part.isdigit() else part for part in path.split("/")]
        place: Any = one
        for part in way:
            place = place[part]
        if value is ...:
            del place[last]
        else:
            place[last] = value

    return change


HEAD = "spec/headGroupSpec/template/spec"
WORKER = "spec/workerGroupSpecs/0/template/spec"
CONTAINER = f"{WORKER}/containers/0"
MISTAKES: dict[str, list[tuple[str, Any]]] = {
    "RayCluster": [
        ("spec/workerGroupSpec", []),
        ("spec/rayVersion", 2.6),
        ("spec/rayVersion", "2.59.0"),
        ("spec/authOptions", ...),
        ("spec/authOptions/mode", "tokens"),
        ("spec/authOptions/mode", "disabled"),
        ("spec/headGroupSpec/rayStartParams/num-cpus", 0),
        ("spec/headGroupSpec/rayStartParams/num-cpus", "4"),
        (f"{HEAD}/restartPolicy", "Always"),
        (f"{HEAD}/containers", ...),
        ("metadata/name", "f" * 54),
        ("spec/workerGroupSpecs/0/minReplicas", 5),
        ("spec/workerGroupSpecs/0/maxReplicas", "four"),
        ("spec/workerGroupSpecs/0/groupName", ...),
        (f"{WORKER}/terminationGracePeriodSeconds", 30),
        (f"{WORKER}/securityContext/runAsNonRoot", False),
        (f"{WORKER}/hostNetwork", True),
        (f"{WORKER}/volumes/0", {"name": "scratch", "hostPath": {"path": "/"}}),
        (f"{CONTAINER}/image", "registry.example/fer-ray:latest"),
        (f"{CONTAINER}/image", "registry.example/fer-ray"),
        (f"{CONTAINER}/imagePullPolice", "Always"),
        (f"{CONTAINER}/resources/limits", ...),
        (f"{CONTAINER}/resources/requests/memory", ...),
        (f"{CONTAINER}/securityContext/privileged", True),
        (f"{CONTAINER}/securityContext/allowPrivilegeEscalation", ...),
        (f"{CONTAINER}/securityContext/capabilities/drop", ["NET_RAW"]),
        (f"{CONTAINER}/securityContext/readOnlyRootFilesystem", False),
        (f"{CONTAINER}/env/0/value", 30),
    ],
    "RayJob": [
        ("spec/shutdownAfterJobFinishes", False),
        ("spec/suspend", "yes"),
        ("spec/clusterSelector", {"ray.io/cluster": "fer-ray"}),
        ("spec/rayClusterSpec", ...),
        ("spec/submissionMode", "SidecarMode"),
        ("spec/submissionMode", "K8SJobMode"),
        ("spec/backoffLimit", 2),
        ("spec/activeDeadlineSeconds", ...),
        ("metadata/name", "f" * 48),
        ("spec/entryPoint", "python jobs/train.py"),
    ],
    "NetworkPolicy": [("spec/podSelectors", {}), ("spec/ingress/1/ports/0/port", [8265])],
    "PodDisruptionBudget": [("spec/maxUnavailable", True), ("kind", "PodDisruptionBudgets")],
}
ALL = [(kind, path, value) for kind, some in MISTAKES.items() for path, value in some]


@pytest.mark.parametrize(("kind", "path", "value"), ALL, ids=[f"{k} {p} {v}" for k, p, v in ALL])
def test_a_mistake_is_caught(
    everything: dict[str, Objects], kind: str, path: str, value: Any
) -> None:
    one = next(
        one for one in everything["gpu with rayjob"] + everything["gpu"] if one["kind"] == kind
    )
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


def test_the_table_of_fields_is_what_the_definitions_say(tmp_path: Path) -> None:
    """Where they lie beside the repository; who has no copy has the table."""
    crds = ROOT.parent / "shared" / "k8s" / "crds"
    if not crds.exists():
        pytest.skip(f"{crds.relative_to(ROOT.parent)} is not beside this repository")
    names = ("rayclusters", "rayjobs", "raycronjobs")
    derive.write([crds / f"ray.io_{name}.yaml" for name in names], tmp_path / "table.json")
    assert (tmp_path / "table.json").read_bytes() == derive.TABLE.read_bytes()
