"""What comes from an untrusted place runs no code: a scan of our sources, and of what we write."""

import ast
import io
import pickle
import pickletools
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml

from fer_ray import plain_yaml
from fer_ray.cluster.parts import write_part
from fer_ray.config import ModelConfig, TrainConfig
from fer_ray.network import export, vgg19
from fer_ray.runs import arrays, checkpoint, metrics, record
from fer_ray.runs.storage import store
from tests.corpus.manifests import faces

pytestmark = pytest.mark.timeout(120)

ROOT = Path(__file__).parents[2]
SOURCES = sorted([*(ROOT / "fer_ray").rglob("*.py"), *(ROOT / "jobs").glob("*.py")])

PICKLERS = {"pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve", "torch", "_pickle"}
RUNNERS = {"eval", "exec", "compile", "__import__"}
LOADERS = {"unsafe_load", "full_load", "load_all", "unsafe_load_all", "UnsafeLoader", "FullLoader"}
UNSAFE = {"enable_unsafe_deserialization", "read_pickle", "to_pickle", *PICKLERS, *LOADERS}
MUST_BE = {"allow_pickle": "False", "safe_mode": "True"}
MUST_SAY = {"load_model": "safe_mode", "read_array": "allow_pickle", "write_array": "allow_pickle"}


def unsafe(source: str) -> Iterator[str]:
    """Each place of a program that could turn bytes from elsewhere into code, or almost."""
    for node in ast.walk(ast.parse(source)):
        names = {part for name in named_by(node) for part in name.split(".")}
        if UNSAFE & names or (isinstance(node, ast.Call) and is_unsafe_call(node)):
            yield f"line {getattr(node, 'lineno', 0)}: {ast.unparse(node)}"


def named_by(node: ast.AST) -> list[str]:
    """What a node of a program names: modules, their members, attributes, variables."""
    match node:
        case ast.Import():
            return [alias.name for alias in node.names]
        case ast.ImportFrom():
            return [node.module or "", *(alias.name for alias in node.names)]
        case ast.Attribute():
            return [node.attr]
        case ast.Name():
            return [node.id]
    return []


def is_unsafe_call(call: ast.Call) -> bool:
    """Whether a call runs text, or loads something without saying that it is to be safe."""
    called = ast.unparse(call.func)
    said = {word.arg: ast.unparse(word.value) for word in call.keywords}
    must = MUST_SAY.get(called.rpartition(".")[2])
    return (
        called in {*RUNNERS, "np.load"}
        or (must is not None and must not in said)
        or any(said.get(word, right) != right for word, right in MUST_BE.items())
        or (called == "yaml.load" and ast.unparse(call.args[1]) != "_Loader")
    )


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_source_of_ours_turns_bytes_into_code(path: Path) -> None:
    assert list(unsafe(path.read_text(encoding="utf-8"))) == []


def test_the_one_loader_of_yaml_is_a_safe_one() -> None:
    assert issubclass(plain_yaml._Loader, yaml.SafeLoader)
    texts = {path.stem: path.read_text(encoding="utf-8") for path in SOURCES}
    assert [name for name, text in texts.items() if "(yaml.SafeLoader)" in text] == ["plain_yaml"]


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from ray import cloudpickle",
        "import joblib as j",
        "import ray.cloudpickle",
        "pd.read_pickle(x)",
        "np.load(x, allow_pickle=True)",
        "np.load(x)",
        "f(allow_pickle=flag)",
        "keras.saving.load_model(x, safe_mode=False)",
        "keras.saving.load_model(x)",
        "keras.config.enable_unsafe_deserialization()",
        "yaml.load(x, yaml.UnsafeLoader)",
        "yaml.load(x, Loader)",
        "yaml.unsafe_load(x)",
        "torch.load(x)",
        "eval(x)",
        "exec(x)",
    ],
)
def test_the_scan_finds_what_it_looks_for(source: str) -> None:
    assert len(list(unsafe(source))) >= 1


def is_pickle(content: bytes) -> bool:
    """Whether ``content`` begins as a pickle of protocol 2 or later, or is one of an older one."""
    if content[:1] == b"\x80" and content[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return True
    with warnings.catch_warnings():  # any bytes may look like a text with escapes
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            return sum(1 for _ in pickletools.genops(content)) > 0
        except (ValueError, UnicodeDecodeError, IndexError):
            return False


def test_an_archive_whose_check_sum_looks_like_an_escape_is_no_pickle() -> None:
    assert not is_pickle(b"PK\x03\x04\x14\x00\x00\x00\x08\x00\x00\x5c\x00\x21\n\xff")


def contents(path: Path) -> Iterator[tuple[str, bytes]]:
    """A file, or what an archive holds: the check sums in its head may look like a pickle."""
    content = path.read_bytes()
    if content.startswith(b"PK\x03\x04"):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            yield from ((name, archive.read(name)) for name in archive.namelist())
    else:
        yield path.name, content


def test_no_artifact_of_ours_holds_a_pickle(tmp_path: Path) -> None:
    run = store(str(tmp_path))
    network = vgg19.build(ModelConfig(head="paper", width=0.125), 129.5, 65.0, 0)
    weights = {weight.path: np.asarray(weight) for weight in network.weights}
    checkpoint.write(run, 1, {"weights.npz": arrays.pack(weights)}, {"epoch": 1})
    record.write_config(run, TrainConfig.model_validate({"data": {"uri": "demo:"}}))
    record.write_document(run, "run.json", {"status": "done"})
    metrics.append(run, 1, {"loss": 1.0})
    write_part(str(tmp_path), "train/part-00000.parquet", faces())
    (tmp_path / "model").mkdir()
    export.save(export.inference_model(network), tmp_path / "model" / "model.keras")
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    found = [one for path in files for one in contents(path)]
    assert len(files) >= 7
    assert len(found) > len(files) + len(weights)
    assert [name for name, content in found if is_pickle(content)] == []
    assert [name for name, content in found if b"'|O'" in content[:200]] == []
    for protocol in range(6):
        assert is_pickle(pickle.dumps({"a": [1.5, np.zeros(3)]}, protocol))
