"""fer_ray.cluster.dataset on a real Ray cluster: what is written, and what stops it."""

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import ray

from fer_ray.cluster import ranges
from fer_ray.cluster.dataset import finished, prepare
from fer_ray.cluster.prepared import side_blocks
from fer_ray.config import BalanceConfig, DataConfig
from fer_ray.faces.emotions import EMOTIONS
from fer_ray.faces.rows import SCHEMA, face_ids, images_of
from fer_ray.runs.layout import SIDES
from tests.cluster.raw_faces import (
    COUNT,
    LABELS,
    USAGES,
    config,
    read,
    with_duplicates,
    write_source,
)
from tests.parquet_faces import noise, write_faces

pytestmark = pytest.mark.usefixtures("ray_cluster")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_source(tmp_path_factory.mktemp("raw"))


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
