"""Manifests as kubectl builds them, and everything that is wrong with them."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.k8s import fields, monitoring, rules

ROOT = Path(__file__).parents[2]
K8S = ROOT / "k8s"
KUBERNETES = "1.32"


def locked(package: str) -> str:
    """A package's version in the lock file."""
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    found = re.search(rf"^{package}==(\S+)", text, re.MULTILINE)
    assert found, package
    return found[1]


def built(folder: Path) -> list[dict[str, Any]]:
    """The objects that ``kubectl kustomize`` makes of a folder."""
    if shutil.which("kubectl") is None:
        assert "CI" not in os.environ, "CI must have kubectl"
        pytest.skip("building manifests takes kubectl")
    done = subprocess.run(
        ["kubectl", "kustomize", str(folder)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return [one for one in yaml.safe_load_all(done.stdout) if one]


def with_components(folder: Path, base: Path, *components: str) -> list[dict[str, Any]]:
    """The objects of ``base`` with ``components``, built in ``folder`` as a user's overlay is."""
    overlay = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [os.path.relpath(base, folder)],
        "components": [os.path.relpath(K8S / "components" / one, folder) for one in components],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(overlay))
    return built(folder)


def faults(one: dict[str, Any]) -> Iterator[str]:
    """Everything that is wrong with an object: by its schema, to its operator, and to us."""
    kind = f"{one['apiVersion']} {one['kind']}"
    if fields.known(kind):
        wrong = list(fields.faults(one))
        yield from wrong
        if wrong:
            return  # the rules look at what is of the right shape
        yield from rules.operators(one)
    else:
        try:
            kubernetes_validate.validate(one, KUBERNETES, strict=True)
        except kubernetes_validate.ValidationError as error:
            yield f"{kind}: {error.message}"
        except kubernetes_validate.SchemaNotFoundError:
            yield f"{kind} has no schema"
    yield from rules.ours(one, locked("ray"))
    yield from monitoring.faults(one)
