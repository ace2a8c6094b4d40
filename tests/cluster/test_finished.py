"""fer_ray.cluster.dataset where one was written before: used again, or told to be damaged."""

import json
from pathlib import Path

import pytest
import ray

from fer_ray.cluster.dataset import finished, prepare
from fer_ray.cluster.prepared import open_prepared, side_blocks
from fer_ray.config import BalanceConfig
from tests.cluster.raw_faces import config, write_source

pytestmark = pytest.mark.usefixtures("ray_cluster")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_source(tmp_path_factory.mktemp("raw"))


def test_running_again_returns_the_finished_dataset(source: str, tmp_path: Path) -> None:
    first = prepare(config(source, tmp_path))
    written = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.*")}
    again = prepare(config(source, tmp_path))
    assert (first.already_done, again.already_done) == (False, True)
    assert (again.uri, again.manifest) == (first.uri, json.loads(json.dumps(first.manifest)))
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.*")} == written


@pytest.mark.parametrize("split", [{"seed": 1}, {"deduplicate": False}, {"validation": 0.2}])
def test_another_split_is_another_dataset(
    source: str, tmp_path: Path, split: dict[str, object]
) -> None:
    prepare(config(source, tmp_path))
    assert finished(config(source, tmp_path)) is not None
    assert finished(config(source, tmp_path, **split)) is None


def test_settings_that_change_nothing_find_the_same_dataset(source: str, tmp_path: Path) -> None:
    prepare(config(source, tmp_path))
    balanced = config(source, tmp_path).model_copy(
        update={"balance": BalanceConfig(target="largest"), "seed": 5}
    )
    assert finished(balanced) is not None
    assert finished(config(source, tmp_path, fractions=(0.5, 0.25, 0.25))) is not None


def test_a_prepared_dataset_is_used_as_it_is(source: str, tmp_path: Path) -> None:
    prepared = prepare(config(source, tmp_path))
    found = prepare(config(prepared.uri, tmp_path / "elsewhere"))
    assert (found.uri, found.already_done) == (prepared.uri, True)
    with pytest.raises(ValueError, match=r"split.seed must be 0, as the dataset at .* got 3"):
        prepare(config(prepared.uri, tmp_path, seed=3))
    with pytest.raises(ValueError, match=r"split.protocol must be 'official', .* got 'hashed'"):
        prepare(config(prepared.uri, tmp_path, "hashed"))


def test_a_damaged_dataset_is_told_from_a_whole_one(source: str, tmp_path: Path) -> None:
    prepared = prepare(config(source, tmp_path))
    part = Path(prepared.uri) / "test" / "part-00000.parquet"
    content = part.read_bytes()
    part.write_bytes(content[:-1])
    with pytest.raises(ValueError, match=r"got \d+ of the \d+ bytes of test/part-00000.parquet"):
        open_prepared(prepared.uri)
    part.write_bytes(content[:-1] + b"?")
    blocks = side_blocks(open_prepared(prepared.uri), "test").blocks
    with pytest.raises(ValueError, match=r"got other bytes in test/part-00000.parquet"):
        ray.get(list(blocks))
    part.unlink()
    with pytest.raises(ValueError, match=r"got none of the \d+ bytes of test/part-00000.parquet"):
        open_prepared(prepared.uri)
    ours = f"storage.uri must .* of test/part-00000.parquet of {prepared.uri}; delete that folder"
    with pytest.raises(ValueError, match=ours):
        prepare(config(source, tmp_path))


@pytest.mark.parametrize("manifest", ["", "[]", '{"name": "an app"}'])
def test_another_manifest_is_no_dataset(tmp_path: Path, manifest: str) -> None:
    (tmp_path / "manifest.json").write_text(manifest)
    with pytest.raises(ValueError, match=r"data.uri must hold a prepared dataset's manifest.json"):
        open_prepared(str(tmp_path))


def test_another_versions_dataset_is_refused(source: str, tmp_path: Path) -> None:
    prepared = prepare(config(source, tmp_path))
    other = dict(prepared.manifest) | {"schema_version": 99}
    (Path(prepared.uri) / "manifest.json").write_text(json.dumps(other))
    with pytest.raises(ValueError, match=r"data.uri must be a dataset of schema version 1, got 99"):
        open_prepared(prepared.uri)
