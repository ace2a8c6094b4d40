"""The Dockerfile: what it installs, from where, as whom, and what hadolint says of it.

``python -m tests.image`` carries its steps out.
"""

import json
import os
import re
import shutil
import subprocess
import sysconfig
import tomllib
from pathlib import PurePosixPath

import pytest
import yaml

from tests.image.dockerfile import DEVICES, DOCKERFILE, ROOT, context, copied, road

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
K8S = ROOT / "k8s"


def texts(device: str, keyword: str) -> list[str]:
    """What the instructions of one kind say, in order."""
    return [one.text for one in road(device)[1] if one.keyword == keyword]


def files(source: str) -> set[PurePosixPath]:
    """The files of the build's context that a ``COPY`` of ``source`` takes."""
    return {path for path in context() if path.is_relative_to(source)}


@pytest.mark.parametrize("device", DEVICES)
def test_every_file_that_is_copied_is_one_that_the_build_is_given(device: str) -> None:
    for one in road(device)[1]:
        if one.keyword == "COPY":
            for source in copied(one)[0]:
                assert files(source), source


def test_a_build_is_given_nothing_that_is_not_copied() -> None:
    steps = [one for device in DEVICES for one in road(device)[1] if one.keyword == "COPY"]
    wanted = {path for one in steps for source in copied(one)[0] for path in files(source)}
    assert set(context()) == wanted


@pytest.mark.parametrize("device", DEVICES)
def test_packages_come_from_locks_as_wheels_that_hashes_are_known_of(device: str) -> None:
    fetching = [text for text in texts(device, "RUN") if "pip install" in text]
    *locked, project = fetching
    locks = ["requirements.lock"] + ["requirements-gpu.lock"] * (device == "gpu")
    wheels = "pip install --no-cache-dir --only-binary :all: --require-hashes --requirement"
    assert [text.partition(" && ")[0] for text in locked] == [f"{wheels} {lock}" for lock in locks]
    assert "--no-index --no-deps --no-build-isolation ." in project


def test_the_gpus_image_is_the_cpus_with_one_layer_of_packages_more() -> None:
    base, cpu = road("cpu")
    other, gpu = road("gpu")
    assert base == other
    more = [one for one in gpu if one not in cpu]
    assert [one.keyword for one in more] == ["COPY", "RUN", "ENV"]
    assert [one for one in gpu if one in cpu] == cpu
    # Packages of the CPU's lock before it, the project after it: either may change alone.
    assert gpu.index(more[0]) == cpu.index(next(one for one in cpu if "lock &&" in one.text)) + 1


def test_a_device_without_a_stage_is_refused() -> None:
    with pytest.raises(ValueError, match=r"DEVICE must name a stage .*, got for-cuda"):
        road("cuda")


def test_the_image_starts_from_an_exact_tag() -> None:
    for device in DEVICES:
        assert re.fullmatch(r"python:3\.11\.\d+-slim-bookworm", road(device)[0])
    assert "/python3.11/" in texts("gpu", "ENV")[0]


@pytest.mark.parametrize("device", DEVICES)
def test_the_image_runs_as_the_user_of_the_manifests_and_leaves_the_command_to_kuberay(
    device: str,
) -> None:
    cluster = yaml.safe_load((K8S / "base/raycluster.yaml").read_text(encoding="utf-8"))
    pod = cluster["spec"]["headGroupSpec"]["template"]["spec"]
    user = str(pod["securityContext"]["runAsUser"])
    assert texts(device, "USER") == [user]
    assert road(device)[1][-1].keyword == "USER"
    assert f"useradd --uid {user} " in texts(device, "RUN")[0]
    assert not texts(device, "ENTRYPOINT") + texts(device, "CMD")


def test_jobs_lie_where_pods_begin() -> None:
    """Manifests say ``python jobs/train.py`` and no working folder."""
    (folder,) = set(texts("cpu", "WORKDIR"))
    assert "jobs jobs" in texts("cpu", "COPY")
    assert f"--owner ray --group ray {folder}" in texts("cpu", "RUN")[0]
    assert "workingDir" not in "".join(path.read_text() for path in K8S.rglob("*.yaml"))


def test_labels_say_what_the_project_says() -> None:
    (text,) = texts("cpu", "LABEL")
    labels = dict(re.findall(r'org\.opencontainers\.image\.(\w+)="([^"]*)"', text))
    assert labels == {
        "title": "fer_ray",
        "description": PROJECT["description"],
        "version": PROJECT["version"],
    }


def test_readme_builds_the_images_that_the_manifests_name() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    built = dict(
        re.findall(r"^docker build --build-arg DEVICE=(\w+) --tag (\S+) \.$", readme, re.M)
    )
    named = {}
    for device, folder in (("cpu", "base"), ("gpu", "overlays/gpu")):
        (image,) = yaml.safe_load((K8S / folder / "kustomization.yaml").read_text())["images"]
        named[device] = f"{image['newName']}:{image['newTag']}"
    assert built == named


def test_hadolint_finds_only_what_the_dockerfile_says_the_reason_of() -> None:
    scripts = sysconfig.get_path("scripts")
    hadolint = shutil.which("hadolint", path=f"{scripts}{os.pathsep}{os.environ['PATH']}")
    if hadolint is None:
        assert "CI" not in os.environ, "CI must have hadolint"
        pytest.skip("linting the Dockerfile takes hadolint")
    command = [hadolint, "--no-color"]
    clean = subprocess.run([*command, DOCKERFILE], capture_output=True, text=True, check=False)
    assert (clean.returncode, clean.stdout) == (0, ""), clean.stdout + clean.stderr
    bare = subprocess.run(
        [*command, "--format", "json", "--disable-ignore-pragma", DOCKERFILE],
        capture_output=True,
        text=True,
        check=False,
    )
    assert {fault["code"] for fault in json.loads(bare.stdout)} == {"DL3006", "DL3008"}
