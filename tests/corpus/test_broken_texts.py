"""Broken YAML, manifests and arrays are told in one line, and make nothing that is believed."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from fer_ray import plain_yaml
from fer_ray.cluster.prepared import faces_of, open_prepared
from fer_ray.config import TrainConfig
from fer_ray.runs import arrays, checkpoint, layout
from fer_ray.runs.promises import parsed
from fer_ray.runs.record import parsed_config, read_document
from fer_ray.runs.storage import store
from fer_ray.settings import SettingsError, parse
from tests.corpus import manifests
from tests.corpus.npzs import WHOLE, broken_npzs
from tests.corpus.outcomes import sentence
from tests.corpus.yamls import WHOLE as WHOLE_YAML
from tests.corpus.yamls import bombs, broken_yamls, laughs, no_yaml, tags

pytestmark = pytest.mark.timeout(60)


def of_case(name: str, check: Callable[[], object]) -> None:
    """Runs ``check``; what fails in it names the case."""
    try:
        check()
    except BaseException as error:
        error.add_note(f"of the case: {name}")
        raise


def check_settings(path: Path) -> TrainConfig:
    return parse(["--config", str(path)], TrainConfig, "Trains.", "train")


def test_broken_yaml_makes_no_settings(tmp_path: Path) -> None:
    path = tmp_path / "f.yaml"
    path.write_text(WHOLE_YAML)
    assert check_settings(path).training.epochs == 3
    for name, content in broken_yamls().items():
        path.write_bytes(content)
        of_case(name, lambda: sentence(lambda: check_settings(path), SettingsError))


def test_the_settings_of_a_run_from_elsewhere_are_read_as_carefully() -> None:
    head = f"# schema_version: {layout.SCHEMA_VERSION}\n".encode()
    assert parsed_config(head + b"seed: 3") == {"seed": 3}
    for name, content in (bombs() | tags() | no_yaml()).items():
        of_case(name, lambda content=content: sentence(lambda: parsed_config(content)))
    for text in ("laughs", "merges", "circle of a section"):
        of_case(text, lambda text=text: sentence(lambda: parsed_config(head + bombs()[text])))


@pytest.mark.parametrize(
    "value",
    ["!!int ''", "&a [*a]", laughs(), "0x" + "f" * 10_000, "[" * 900, "{a: 3}", "2026-11-25"],
)
def test_a_flags_value_is_as_plain_as_a_files(value: str) -> None:
    flags = ["--config", "demo", "--training.epochs", value]
    told = sentence(lambda: parse(flags, TrainConfig, "Trains.", "train"))
    assert told.startswith("training.epochs must be a whole number, got ")


@given(st.text() | st.text("{}[]:,-&*!?|>'\"%@`#\n 0123456789.eEx_~<=aé\t", max_size=60))
@example("!!bool x")
@example("1:60:60.5")
def test_no_text_crashes_yaml(text: str) -> None:
    told = ""
    try:
        plain_yaml.load(text)
    except ValueError as error:
        told = str(error)
    assert len(told.splitlines()) <= 1


def test_a_broken_manifest_makes_no_checkpoint(tmp_path: Path) -> None:
    run = store(str(tmp_path))
    folder = checkpoint.write(run, manifests.STEP, {"weights.npz": manifests.ARRAYS}, {})
    path = tmp_path / folder / layout.MANIFEST
    path.write_text(json.dumps(manifests.checkpoint()))
    assert checkpoint.newest(run).step == manifests.STEP
    for name, content in manifests.broken_checkpoints().items():
        path.write_bytes(content)
        found = checkpoint.newest(run)
        assert (found.step, found.files) == (None, {}), name
        (told,) = found.passed_over
        assert told.startswith(folder), name
        assert len(told.splitlines()) == 1, name


def test_a_broken_manifest_makes_no_dataset(tmp_path: Path) -> None:
    whole = manifests.dataset()
    for file in whole["files"]:
        store(str(tmp_path)).write_bytes(file["name"], manifests.PART)
    path = tmp_path / layout.MANIFEST
    path.write_text(json.dumps(whole))
    assert open_prepared(str(tmp_path)).manifest == whole
    for name, content in manifests.broken_datasets().items():
        path.write_bytes(content)
        of_case(name, lambda: sentence(lambda: open_prepared(str(tmp_path))))


def test_a_broken_part_of_a_dataset_holds_no_faces() -> None:
    assert faces_of(manifests.PART, 3).equals(manifests.faces())
    for name, content in manifests.broken_parts().items():
        of_case(name, lambda content=content: sentence(lambda: faces_of(content, 3)))


def test_a_broken_document_of_a_run_is_none(tmp_path: Path) -> None:
    run = store(str(tmp_path))
    for name, content in manifests.no_json({"schema_version": 1, "epoch": 3}).items():
        run.write_bytes("run.json", content)
        of_case(name, lambda: sentence(lambda: read_document(run, "run.json")))


def test_broken_arrays_are_none() -> None:
    assert sorted(arrays.unpack(WHOLE)) == ["a", "b"]
    for name, content in broken_npzs().items():
        of_case(name, lambda content=content: sentence(lambda: arrays.unpack(content)))


@given(st.binary(max_size=300), st.integers(0, len(WHOLE) - 30))
def test_no_bytes_are_arrays(noise: bytes, cut: int) -> None:
    assert sentence(lambda: arrays.unpack(WHOLE[:cut] + b"!" + noise))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from([*manifests.dataset(), "step", "about"]), JSON))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_json_crashes_a_reader_of_manifests(tmp_path: Path, document: dict[str, object]) -> None:
    content = json.dumps(document | {"schema_version": 1, "counts": document}).encode()
    assert sentence(lambda: parsed(content[:-1] + b', "files": {"../x": {}}}'))
    (tmp_path / layout.MANIFEST).write_bytes(content)
    assert sentence(lambda: open_prepared(str(tmp_path)))
