"""fer_ray.cluster.dataset on a real Ray cluster: what is written, and what stops it."""

import hashlib
import json
import logging
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import ray

from fer_ray.cluster import ranges
from fer_ray.cluster.dataset import finished, prepare
from fer_ray.cluster.prepared import Prepared, open_prepared, side_blocks
from fer_ray.config import BalanceConfig, DataConfig, PrepareConfig, SplitConfig, StorageConfig
from fer_ray.faces.emotions import EMOTIONS
from fer_ray.faces.rows import SCHEMA, face_ids, images_of
from fer_ray.runs import lease
from fer_ray.runs.layout import MANIFEST, SIDES
from fer_ray.runs.storage import store
from tests.parquet_faces import noise, write_faces

COUNT = 420
LABELS = [number % 7 for number in range(COUNT)]
USAGES = ["Training"] * 300 + ["PublicTest"] * 60 + ["PrivateTest"] * 60

pytestmark = pytest.mark.usefixtures("ray_cluster")


def with_duplicates() -> np.ndarray:
    """Noise with faces that stand twice: 0 on every side, 1 in training, 2 with two labels."""
    images = noise(COUNT)
    images[[7, 301, 361]] = images[0]  # 0, 7, 301, 361: Training, PublicTest, PrivateTest
    images[8] = images[1]
    images[4] = images[2]
    return images


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_faces(
        tmp_path_factory.mktemp("raw") / "faces.parquet", with_duplicates(), LABELS, USAGES
    )


def config(
    source: str, storage: Path, protocol: str = "official", **split: object
) -> PrepareConfig:
    return PrepareConfig(
        data=DataConfig(uri=source),
        split=SplitConfig.model_validate({"protocol": protocol, **split}),
        storage=StorageConfig(uri=str(storage)),
    )


def read(uri: str, side: str) -> pd.DataFrame:
    """A side as someone without this package reads it."""
    return pd.concat(map(pd.read_parquet, sorted(Path(uri).glob(f"{side}/*.parquet"))))


def test_official_sides_hold_the_faces_of_their_usage_but_for_duplicates(
    source: str, tmp_path: Path
) -> None:
    prepared = prepare(config(source, tmp_path))
    ids = np.array(face_ids(with_duplicates()))
    sides = {side: read(prepared.uri, side) for side in SIDES}
    assert sides["test"]["id"].tolist() == sorted(ids[360:])
    assert sides["validation"]["id"].tolist() == sorted(np.delete(ids[300:360], 1))
    assert sides["train"]["id"].tolist() == sorted(np.delete(ids[:300], [0, 2, 4, 7, 8]))
    assert "faces.parquet:1" in set(sides["train"]["source"])  # the first of the two
    assert prepared.manifest["duplicates"] == {
        "groups": 3,
        "faces": 8,
        "contradicting_groups": 2,
        "test_also_in_train": 1,
        "test_also_in_validation": 1,
    }
    assert prepared.manifest["dropped"] == {"stronger_side": 0, "repeated": 1, "contradicting": 5}
    assert prepared.manifest["validation"] is None
    assert {side: sum(prepared.counts[side].values()) for side in SIDES} == {
        "train": 295,
        "validation": 59,
        "test": 60,
    }
    assert {name: prepared.counts["test"][name] for name in EMOTIONS} == dict(
        sides["test"]["label"].map(EMOTIONS.__getitem__).value_counts()
    )


def test_pixels_survive_as_they_were_read(source: str, tmp_path: Path) -> None:
    test = read(prepare(config(source, tmp_path)).uri, "test")
    found = dict(zip(test["source"], test["image"], strict=True))
    for number, image in enumerate(with_duplicates()[360:], 360):
        assert found[f"faces.parquet:{number}"] == image.tobytes()


def test_duplicates_stay_where_they_were_if_not_dropped(source: str, tmp_path: Path) -> None:
    prepared = prepare(config(source, tmp_path, deduplicate=False))
    assert [len(read(prepared.uri, side)) for side in SIDES] == [300, 60, 60]
    assert prepared.manifest["duplicates"]["faces"] == 8
    assert set(prepared.manifest["dropped"].values()) == {0}


def test_a_share_of_training_validates_where_one_usage_tests(tmp_path: Path) -> None:
    usages = ["Training"] * 360 + ["PublicTest"] * 60
    source = write_faces(tmp_path / "faces.parquet", noise(COUNT), LABELS, usages)
    prepared = prepare(config(source, tmp_path, validation=0.25))
    assert prepared.manifest["validation"] == "0.25 of Training, by hash"
    counts = [sum(prepared.counts[side].values()) for side in SIDES]
    assert counts[2] == 60
    assert 60 < counts[1] < 120


def test_the_files_are_the_same_however_the_input_is_cut(tmp_path: Path) -> None:
    contents = []
    for rows_a_group in (420, 37):
        folder = tmp_path / f"groups of {rows_a_group}"
        folder.mkdir()
        path = folder / "faces.parquet"
        source = write_faces(path, with_duplicates(), LABELS, USAGES, rows_a_group)
        prepared = prepare(config(source, tmp_path, "hashed"))
        files = prepared.manifest["files"]
        contents.append((prepared.manifest["content"], files))
        for file in files:
            content = (Path(prepared.uri) / file["name"]).read_bytes()
            assert hashlib.sha256(content).hexdigest() == file["sha256"]
            assert pq.read_metadata(Path(prepared.uri) / file["name"]).num_rows == file["rows"]
    assert contents[0] == contents[1]


@pytest.mark.parametrize("cut", [500, 9_000])
def test_ranges_are_in_order_of_id_and_source_and_follow_from_the_count(cut: int) -> None:
    rng = np.random.default_rng(0)
    ids = [f"{number:032x}" for number in rng.integers(2**32, size=4_500).tolist()]
    ids = [face[24:] + face[:24] for face in ids] * 2
    rows = pa.table({"id": ids, "source": [f"{number:05d}" for number in rng.permutation(9_000)]})
    blocks = [ray.put(rows.slice(start, cut)) for start in range(0, 9_000, cut)]
    found = ray.get(ranges.in_order(ranges.rows_of(blocks), 9_000))
    whole = pa.concat_tables(found).select(["id", "source"])
    assert whole.equals(rows.sort_by([("id", "ascending"), ("source", "ascending")]))
    starts = [int(table["id"][0].as_py()[:8], 16) * 3 >> 32 for table in found]
    ends = [int(table["id"][-1].as_py()[:8], 16) * 3 >> 32 for table in found]
    assert starts == ends == [0, 1, 2]


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


def test_blocks_of_a_side_are_its_faces_in_order(source: str, tmp_path: Path) -> None:
    prepared = prepare(config(source, tmp_path))
    faces = side_blocks(prepared, "validation")
    whole = pa.concat_tables(ray.get(list(faces.blocks)))
    assert whole.schema.equals(SCHEMA)
    assert whole["id"].to_pylist() == read(prepared.uri, "validation")["id"].tolist()
    assert list(faces.sizes) == [59]
    assert face_ids(images_of(whole["image"])) == whole["id"].to_pylist()


@pytest.mark.parametrize(
    ("labels", "usages", "message"),
    [
        (
            [0] * 420,
            USAGES,
            r"data.uri must hold faces of every emotion, got none of disgust, fear",
        ),
        (LABELS, [*["Training"] * 360, *["PrivateTest"] * 60], None),
        (LABELS, ["Training"] * 420, r"split.protocol must be .* got 'official' for Training only"),
        (
            [6] * 300 + LABELS[300:],
            USAGES,
            "every emotion for the training side, got none of anger",
        ),
        ([9] * 10 + LABELS[10:], USAGES, r"data.max_refused must be at least 0.0238, .* \(10 of"),
    ],
)
def test_unusable_input_is_refused_before_anything_is_written(
    tmp_path: Path, labels: list[int], usages: list[str], message: str | None
) -> None:
    source = write_faces(tmp_path / "faces.parquet", noise(COUNT), labels, usages)
    if message is None:
        assert prepare(config(source, tmp_path)).counts
        return
    with pytest.raises(ValueError, match=message):
        prepare(config(source, tmp_path))
    assert not (tmp_path / "datasets").exists()


def test_an_empty_side_is_refused(source: str, tmp_path: Path) -> None:
    fractions = (0.9998, 0.0001, 0.0001)
    with pytest.raises(ValueError, match=r"enough faces for every side, got no validation"):
        prepare(config(source, tmp_path, "hashed", fractions=fractions))


def test_refused_rows_are_listed_with_source_and_reason(tmp_path: Path) -> None:
    labels = [9, 9, *LABELS[2:]]
    source = write_faces(tmp_path / "faces.parquet", noise(COUNT), labels, USAGES)
    prepared = prepare(config(source, tmp_path))
    refused = pd.read_parquet(Path(prepared.uri) / "refused.parquet")
    assert refused["source"].tolist() == ["faces.parquet:0", "faces.parquet:1"]
    assert refused["reason"].str.contains("9").all()
    assert prepared.manifest["refused_rows"] == 2


def test_paper_balances_first_and_says_that_it_leaks(source: str, tmp_path: Path) -> None:
    paper = config(source, tmp_path, "paper", deduplicate=False).model_copy(
        update={"balance": BalanceConfig(target=70)}
    )
    prepared = prepare(paper)
    sides = {side: read(prepared.uri, side) for side in SIDES}
    together = pd.concat(sides.values())
    assert together["label"].value_counts().to_dict() == dict.fromkeys(range(7), 70)
    assert together["origin"].value_counts().to_dict() == {"real": 420, "smote": 70}
    assert prepared.leaky
    siblings = set(sides["train"]["parents"].explode().dropna())
    assert siblings & set(sides["test"]["id"])  # the leak, which the honest protocols must not have
    assert finished(paper.model_copy(update={"seed": 1})) is None
    again = paper.model_copy(update={"data": DataConfig(uri=prepared.uri)})
    assert finished(again) is not None
    with pytest.raises(ValueError, match=f"seed must be 0, as the dataset at {prepared.uri} was"):
        finished(again.model_copy(update={"seed": 1}))


def test_paper_splits_undersampled_classes_like_all_others(source: str, tmp_path: Path) -> None:
    paper = config(source, tmp_path, "paper", deduplicate=False).model_copy(
        update={"balance": BalanceConfig(target=30)}
    )
    sides = [sum(prepare(paper).counts[side].values()) for side in SIDES]
    assert sum(sides) == 210
    assert sides == pytest.approx([168, 21, 21], abs=15)


def test_of_two_jobs_that_prepare_the_same_one_writes(
    source: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = config(source, tmp_path)
    folder = store(prepare(settings).uri)
    manifest = folder.read_bytes(MANIFEST)
    folder.delete_file(MANIFEST)
    caplog.clear()
    made: list[Prepared] = []
    with caplog.at_level(logging.INFO, "fer_ray"), lease.acquire(folder, 60):
        other = threading.Thread(target=lambda: made.append(prepare(settings)))
        other.start()
        deadline = time.monotonic() + 60
        while "is held by process" not in caplog.text:
            assert time.monotonic() < deadline
        folder.write_bytes(MANIFEST, manifest)
    other.join(60)
    assert made[0].already_done
    assert caplog.text.count("writing ") == 0
    assert folder.read_bytes(MANIFEST) == manifest
