"""Each room of fer_ray loads only its own floor and those below, so it can be read alone."""

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HOME = ROOT / "fer_ray"
HEAVY = {"keras", "tensorflow", "ray"}  # seconds each: what a floor below must never load
BASE = {"pydantic", "jsonargparse", "yaml"}
IMAGES = {"numpy", "cv2", "imblearn", "sklearn", "scipy", "pyarrow"}
RECORDS = {
    *(
        "numpy",
        "pyarrow",
        "boto3",
        "botocore",
        "sklearn",
        "matplotlib",
        "yaml",
        "pydantic",
        "jinja2",
        "scipy",
    )
}
NETWORK = {"keras", "numpy", "h5py"}  # h5py: the weight files that Keras does not read by itself
CLUSTER = IMAGES | RECORDS | NETWORK | {"aiohttp", "ray", "tensorflow", "tqdm", "optuna", "rich"}

# folder: the other folders it may import from, what its import statements may name outside this
# package, and which heavy libraries may come along (Keras loads its backend, TensorFlow).
FLOORS: dict[str, tuple[set[str], set[str], set[str]]] = {
    "base": (set(), BASE, set()),
    "faces": ({"base"}, IMAGES, set()),
    "runs": ({"base", "faces"}, RECORDS, set()),
    "network": ({"base", "faces", "runs"}, NETWORK, {"keras", "tensorflow"}),
    "cluster": ({"base", "faces", "runs", "network"}, CLUSTER, HEAVY),
}
MAX_LINES = 250


def name_of(path: Path) -> str:
    """``fer_ray.faces.rows`` for its file; a package for its ``__init__.py``."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def floor_of(module: str) -> str:
    """The folder of a module of this package; modules at its top are the base."""
    folder = [*module.split("."), ""][1]
    return folder if folder in FLOORS else "base"


FILES = {name_of(path): path for path in sorted(HOME.rglob("*.py"))}
ROOMS = [name for name, path in FILES.items() if path.name != "__init__.py"]
JOBS = sorted((ROOT / "jobs").glob("*.py"))


def imports(tree: ast.AST) -> Iterator[str]:
    """Every module, or member of a module, that import statements within ``tree`` name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports must be absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def outside(names: Iterable[str]) -> set[str]:
    """The third-party packages among imported names."""
    return {name.split(".")[0] for name in names} - sys.stdlib_module_names - {"fer_ray"}


def inside(names: Iterable[str]) -> set[str]:
    """The modules of this package among imported names."""
    ours = (name for name in names if name.split(".")[0] == "fer_ray")
    return {name if name in FILES else name.rpartition(".")[0] for name in ours}


@pytest.mark.parametrize("room", FILES)
def test_import_statements_name_only_what_the_floor_may_have(room: str) -> None:
    below, third_party, _ = FLOORS[floor_of(room)]
    tree = parsed(FILES[room])
    assert outside(imports(tree)) <= third_party | BASE
    assert {floor_of(other) for other in inside(imports(tree))} <= below | {floor_of(room)}


LOAD_AND_TELL = """
import importlib, json, logging, os, sys
for room in sys.argv[1:]:
    importlib.import_module(room)
ours = [room for room in sys.modules if room.startswith("fer_ray.")]
loggers = [
    logger for name, logger in logging.Logger.manager.loggerDict.items()
    if name.startswith("fer_ray") and isinstance(logger, logging.Logger)
]
print(json.dumps({
    "loaded": sorted({name.split(".")[0] for name in sys.modules}),
    "ours": ours,
    "set_up": [logger.name for logger in loggers if logger.handlers or logger.level],
    "files": os.listdir(),
}))
"""


@pytest.mark.parametrize("floor", FLOORS)
def test_loading_a_floor_loads_nothing_from_above_and_does_nothing(
    floor: str, tmp_path: Path
) -> None:
    """All rooms of a floor at once: a process each would take minutes."""
    below, _, heavy = FLOORS[floor]
    rooms = [room for room in FILES if floor_of(room) == floor]
    told = subprocess.run(
        [sys.executable, "-c", LOAD_AND_TELL, *rooms],
        capture_output=True,
        check=False,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert told.returncode == 0, told.stderr
    state = json.loads(told.stdout.splitlines()[-1])
    assert HEAVY.intersection(state["loaded"]) <= heavy
    assert {floor_of(room) for room in state["ours"]} <= below | {floor, "base"}
    assert state["set_up"] == []
    assert state["files"] == []


@pytest.mark.parametrize(
    "room", ["dataset", "balancing", "stream", "training", "trainings", "sweep", "retraining"]
)
def test_what_most_processes_do_not_use_is_loaded_by_those_that_do(room: str) -> None:
    """SMOTE, scores and plots take a second and a half to load, and a run has a dozen processes."""
    script = f"import fer_ray.cluster.{room}, sys; print(*sys.modules)"
    told = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, check=True, text=True, cwd=ROOT
    )
    assert not {"imblearn", "sklearn", "scipy.special", "matplotlib"} & set(told.stdout.split())


def test_no_room_imports_itself_in_a_circle() -> None:
    graph = {room: inside(imports(parsed(path))) - {room} for room, path in FILES.items()}
    TopologicalSorter(graph).prepare()  # raises CycleError with the circle


@pytest.mark.parametrize("room", ROOMS)
def test_a_function_that_imports_tensorflow_has_it_loaded_as_all_do(room: str) -> None:
    """Ray gives a process to the next task: what the first had loaded otherwise is there then."""
    if floor_of(room) in {"network", "cluster"}:
        for function in ast.walk(parsed(FILES[room])):
            if isinstance(function, ast.FunctionDef):
                lines = [ast.unparse(line) for line in function.body]
                for line in lines:
                    if line.startswith(("import tensorflow", "from tensorflow")):
                        assert "load_keras()" in lines[: lines.index(line)], function.name


@pytest.mark.parametrize("job", JOBS, ids=lambda path: path.stem)
def test_a_job_imports_heavy_rooms_only_inside_functions(job: Path) -> None:
    at_top = [node for node in parsed(job).body if isinstance(node, ast.Import | ast.ImportFrom)]
    named = set(imports(ast.Module(at_top, [])))
    assert outside(named) == set()
    assert {floor_of(room) for room in inside(named)} <= {"base"}


@pytest.mark.parametrize(
    "job", [job for job in JOBS if "benchmark" not in job.stem], ids=lambda path: path.stem
)
def test_a_job_is_thin(job: Path) -> None:
    """A benchmark measures libraries beside ours; any other job only calls this package."""
    tree = parsed(job)
    assert outside(imports(tree)) == set()
    assert [node.name for node in tree.body if isinstance(node, ast.FunctionDef)] == ["main"]
    assert len(job.read_text(encoding="utf-8").splitlines()) <= 60


HELP_AND_TELL = """
import json, runpy, sys
told = {}
for job in sys.argv[1:]:
    sys.argv = [job, "--help"]
    try:
        runpy.run_path(job, run_name="__main__")
    except SystemExit as end:
        told[job] = end.code
print(json.dumps({"codes": told, "loaded": sorted({name.split(".")[0] for name in sys.modules})}))
"""


def test_the_help_of_every_job_loads_neither_ray_nor_tensorflow() -> None:
    told = subprocess.run(
        [sys.executable, "-c", HELP_AND_TELL, *map(str, JOBS)],
        capture_output=True,
        check=False,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert told.returncode == 0, told.stderr
    state = json.loads(told.stdout.splitlines()[-1])
    assert state["codes"] == {str(job): 0 for job in JOBS}
    assert HEAVY.intersection(state["loaded"]) == set()


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_is_named_after_its_idea_and_small(room: str) -> None:
    assert room.rpartition(".")[2] not in {"utils", "util", "helpers", "common", "misc", "base"}
    if room != "fer_ray.config":  # all that a run is made of, in one place
        lines = len(FILES[room].read_text(encoding="utf-8").splitlines())
        assert lines <= MAX_LINES, f"{room} must be at most {MAX_LINES} lines, got {lines}"


@pytest.mark.parametrize("package", [name for name in FILES if name not in ROOMS])
def test_the_face_of_a_package_is_one_docstring(package: str) -> None:
    (statement,) = parsed(FILES[package]).body
    assert isinstance(statement, ast.Expr)
