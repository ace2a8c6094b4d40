"""What is shipped: a wheel with its recipes, and locks that install the same bytes everywhere."""

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from importlib.metadata import requires
from pathlib import Path

import pytest
import yaml
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from fer_ray.settings import recipe_names
from tests.image.dockerfile import context

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
RUNTIME = [Requirement(line) for line in PROJECT["dependencies"]]
GPU = [Requirement(line) for line in PROJECT["optional-dependencies"]["gpu"]]
TEST = [Requirement(line) for line in PROJECT["optional-dependencies"]["test"]]
RECIPES = ("best", "demo", "honest", "paper")
LARGER = ("requirements-gpu.lock", "requirements-test.lock")  # than requirements.lock

# One requirement: a name, an exact version, perhaps a marker; then SHA-256s and nothing more.
LOCKED = re.compile(
    r"(?P<name>[a-z0-9][a-z0-9._-]*)(\[[a-z0-9,-]+\])?==(?P<version>[^ ;\\]+)"
    r"( ; (?P<marker>[^\\]+?))?(?P<hashes>( \\\n    --hash=sha256:[0-9a-f]{64})+)"
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.Path:
    """The wheel built from a copy of this tree, without a network."""
    folder = tmp_path_factory.mktemp("wheel")
    copied = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "fer_ray", folder / "tree" / "fer_ray", ignore=copied)
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, folder / "tree")
    build = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
    ]
    done = subprocess.run(
        [*build, "--wheel-dir", folder, folder / "tree"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (built,) = folder.glob("*.whl")
    return zipfile.Path(built)


def test_a_wheel_holds_every_file_of_the_package_and_nothing_else(wheel: zipfile.Path) -> None:
    with zipfile.ZipFile(wheel.root.filename) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
        assert all(archive.read(name) == (ROOT / name).read_bytes() for name in packed)
    tracked = {str(path) for path in context() if path.is_relative_to("fer_ray")}
    assert packed == tracked
    recipes = {f"fer_ray/recipes/{recipe}.yaml" for recipe in RECIPES}
    assert recipes | {"fer_ray/py.typed"} < packed


def test_the_recipes_are_those_of_the_design_and_each_tells_its_story() -> None:
    assert tuple(recipe_names()) == RECIPES
    for recipe in RECIPES:
        text = (ROOT / f"fer_ray/recipes/{recipe}.yaml").read_text(encoding="utf-8")
        head, _, _ = text.partition("\n\n")
        assert head.startswith(f"# {recipe}: ")
        for told in ("# Paper: ", "# Command: ", "# Time: ", "# Figures: "):
            assert told in head


def test_honest_differs_from_paper_in_its_split_alone() -> None:
    paper, honest = (
        yaml.safe_load((ROOT / f"fer_ray/recipes/{name}.yaml").read_text(encoding="utf-8"))
        for name in ("paper", "honest")
    )
    assert paper.pop("split") != honest.pop("split")
    assert paper == honest


def locked(name: str) -> Iterator[tuple[str, str, Marker | None]]:
    """Name, version and marker of each requirement of a lock; fails on any other line."""
    text = (ROOT / name).read_text(encoding="utf-8")
    body = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    at = 0
    for found in LOCKED.finditer(body):
        assert not body[at : found.start()].strip(), body[at : found.start()]
        marker = found["marker"]
        yield canonicalize_name(found["name"]), found["version"], marker and Marker(marker)
        at = found.end()
    assert not body[at:].strip(), body[at:]


@pytest.mark.parametrize("lock", ["requirements.lock", *LARGER])
def test_a_lock_names_exact_versions_and_hashes_and_no_index(lock: str) -> None:
    assert len(list(locked(lock))) > len(RUNTIME)
    text = (ROOT / lock).read_text(encoding="utf-8")
    assert not re.search(r"://|--(extra-)?index|--find-links|--trusted", text)
    assert not re.search(r"(^|\s)/\w", text), "a lock must hold no path of the machine that made it"


@pytest.mark.parametrize(
    ("lock", "wanted"),
    [
        ("requirements.lock", RUNTIME),
        ("requirements-gpu.lock", RUNTIME + GPU),
        ("requirements-test.lock", RUNTIME + TEST),
    ],
)
def test_a_lock_satisfies_what_the_project_asks_for(lock: str, wanted: list[Requirement]) -> None:
    versions: dict[str, set[str]] = {}
    for name, exact, _ in locked(lock):
        versions.setdefault(name, set()).add(exact)
    for requirement in wanted:
        for exact in versions[canonicalize_name(requirement.name)]:
            assert requirement.specifier.contains(exact), f"{requirement} but {lock} has {exact}"


@pytest.mark.parametrize("lock", LARGER)
def test_a_larger_lock_has_the_smaller_ones_versions(lock: str) -> None:
    runtime, larger = (
        {(name, exact) for name, exact, _ in locked(one)} for one in ("requirements.lock", lock)
    )
    names = {name for name, _ in runtime}
    assert {(name, exact) for name, exact in larger if name in names} == runtime


def test_the_gpus_lock_adds_the_cuda_that_tensorflow_asks_for_and_nothing_else() -> None:
    added = {name: exact for name, exact, _ in locked("requirements-gpu.lock")}
    for name, _, _ in locked("requirements.lock"):
        added.pop(name, None)
    asked = [one for one in map(Requirement, requires("tensorflow") or ()) if extra(one)]
    assert asked
    for one in asked:
        assert one.specifier.contains(added[one.name]), f"{one} but {added[one.name]} is locked"
    assert [name for name in added if not name.startswith("nvidia-")] == []


def extra(requirement: Requirement) -> bool:
    """Whether TensorFlow asks for it when ``and-cuda`` does."""
    return 'extra == "and-cuda"' in str(requirement.marker)
