"""fer_ray.cluster.balancing on real Ray: the training side alone, the same for any blocks."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pytest
import ray

from fer_ray.cluster.balancing import TrainingFaces, balanced, training_blocks
from fer_ray.cluster.dataset import prepare
from fer_ray.cluster.prepared import Prepared, side_blocks
from fer_ray.cluster.ranges import in_order, rows_of
from fer_ray.config import (
    AugmentConfig,
    BalanceConfig,
    DataConfig,
    PrepareConfig,
    SplitConfig,
    StorageConfig,
    TrainConfig,
)
from fer_ray.faces import balance
from fer_ray.faces.emotions import EMOTIONS
from fer_ray.faces.rows import SCHEMA, face_ids, images_of
from tests.full_width import batches
from tests.parquet_faces import noise, write_faces

SIZES = [60, 12, 60, 150, 60, 40, 60]
WARPS = AugmentConfig(rotation=30, horizontal_flip=True)
EVERYTHING = BalanceConfig(target="median", generator_below=20, generator_target=30, neighbors=3)

pytestmark = pytest.mark.usefixtures("ray_cluster")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    folder = tmp_path_factory.mktemp("balancing")
    labels = np.repeat(range(7), SIZES).tolist()
    source = write_faces(folder / "faces.parquet", noise(len(labels)), labels)
    return prepare(
        PrepareConfig(
            data=DataConfig(uri=source),
            split=SplitConfig(protocol="hashed", fractions=(0.7, 0.15, 0.15)),
            storage=StorageConfig(uri=str(folder)),
        )
    )


def table_of(faces: TrainingFaces) -> pa.Table:
    tables = ray.get(list(faces.faces.blocks))
    assert [len(table) for table in tables] == list(faces.faces.sizes)
    return pa.concat_tables(tables)


def side(dataset: Prepared, name: str) -> pa.Table:
    return pa.concat_tables(ray.get(list(side_blocks(dataset, name).blocks)))


def test_every_class_reaches_the_target_and_is_told_apart(dataset: Prepared) -> None:
    faces = training_blocks(dataset, EVERYTHING, WARPS, seed=0)
    rows = table_of(faces)
    assert faces.before == dataset.counts["train"]
    assert len(set(faces.after.values())) == 1
    counts = np.bincount(rows["label"].to_numpy()).tolist()
    assert dict(zip(EMOTIONS, counts, strict=True)) == faces.after
    origins = {
        name: set(rows.filter(rows["label"].to_numpy() == label)["origin"].to_pylist())
        for label, name in enumerate(EMOTIONS)
    }
    assert origins["disgust"] == {"real", "generator", "smote"}
    assert origins["surprise"] == {"real", "smote"}
    assert origins["happiness"] == {"real"}
    assert rows.schema.equals(SCHEMA)
    assert face_ids(images_of(rows["image"])) == rows["id"].to_pylist()


def test_rows_are_in_order_of_id_and_source(dataset: Prepared) -> None:
    rows = table_of(training_blocks(dataset, EVERYTHING, WARPS, seed=0))
    assert rows.equals(rows.sort_by([("id", "ascending"), ("source", "ascending")]))


def test_made_faces_descend_from_the_training_side_alone(dataset: Prepared) -> None:
    rows = table_of(training_blocks(dataset, EVERYTHING, WARPS, seed=0)).to_pandas()
    made = rows[rows["origin"] != "real"]
    parents = set(made["parents"].explode())
    generated = set(made[made["origin"] == "generator"]["id"])
    training = set(side(dataset, "train")["id"].to_pylist())
    assert parents - generated <= training
    assert set(rows[rows["origin"] == "real"]["id"]) <= training
    for scored in ("validation", "test"):
        real = side(dataset, scored)
        assert set(real["origin"].to_pylist()) == {"real"}
        assert not set(real["id"].to_pylist()) & (parents | set(rows["id"]))


def test_each_face_made_by_smote_lies_between_its_two_parents_of_its_class(
    dataset: Prepared,
) -> None:
    settings = BalanceConfig(target=60, neighbors=3)
    rows = table_of(training_blocks(dataset, settings, AugmentConfig(), seed=0))
    pixels = dict(zip(rows["id"].to_pylist(), images_of(rows["image"]), strict=True))
    labels = dict(zip(rows["id"].to_pylist(), rows["label"].to_pylist(), strict=True))
    made = rows.filter(pa.compute.equal(rows["origin"], "smote")).to_pylist()
    assert made
    train = side(dataset, "train")
    pixels |= dict(zip(train["id"].to_pylist(), images_of(train["image"]), strict=True))
    for row in made:
        a, b = (pixels[parent].astype(float) for parent in row["parents"])
        face = pixels[row["id"]].astype(float)
        step = np.vdot(face - a, b - a) / np.vdot(b - a, b - a)
        assert 0 <= step <= 1
        assert np.abs(face - a - step * (b - a)).max() < 1
        assert {labels[row["id"]], *(labels.get(p, row["label"]) for p in row["parents"])} == {
            row["label"]
        }


def test_undersampling_keeps_the_lowest_ranks(dataset: Prepared) -> None:
    settings = BalanceConfig(target=5)
    rows = table_of(training_blocks(dataset, settings, AugmentConfig(), seed=4))
    train = side(dataset, "train")
    ranks = balance.hash_ranks(train["id"].to_pylist(), train["source"].to_pylist(), seed=4)
    labels = train["label"].to_numpy()
    kept = np.concatenate(
        [
            np.flatnonzero(labels == label)[np.argsort(ranks[labels == label])[:5]]
            for label in range(7)
        ]
    )
    assert rows["id"].to_pylist() == train.take(np.sort(kept))["id"].to_pylist()


@pytest.mark.parametrize("rows_a_block", [1_000, 61, 7])
def test_the_result_is_the_same_for_any_blocks(dataset: Prepared, rows_a_block: int) -> None:
    expected = table_of(training_blocks(dataset, EVERYTHING, WARPS, seed=3))
    train = side(dataset, "train")
    shuffled = train.take(np.random.default_rng(0).permutation(len(train)))
    blocks = [
        ray.put(shuffled.slice(start, rows_a_block)) for start in range(0, len(train), rows_a_block)
    ]
    counts = dict(enumerate(dataset.counts["train"].values()))
    plans = balance.plan(counts, EVERYTHING)
    rows = balanced(rows_of(blocks), plans, EVERYTHING.neighbors, WARPS, seed=3)
    found = pa.concat_tables(ray.get(in_order(rows, len(expected)))).select(SCHEMA.names)
    assert found.equals(expected)


def test_another_seed_makes_other_faces(dataset: Prepared) -> None:
    one, other = (
        table_of(training_blocks(dataset, EVERYTHING, WARPS, seed)).column("id").to_pylist()
        for seed in (0, 1)
    )
    assert one != other


def test_a_class_grown_by_the_generator_may_shrink_to_the_target(dataset: Prepared) -> None:
    settings = EVERYTHING.model_copy(update={"target": 20})
    rows = table_of(training_blocks(dataset, settings, WARPS, seed=0)).to_pandas()
    assert rows["label"].value_counts().to_dict() == dict.fromkeys(range(7), 20)
    assert set(rows[rows["label"] == 1]["origin"]) == {"real", "generator"}


def test_without_balancing_the_faces_are_the_prepared_ones(dataset: Prepared) -> None:
    faces = training_blocks(dataset, BalanceConfig(class_weights=True), WARPS, seed=0)
    assert table_of(faces).equals(side(dataset, "train"))
    assert faces.before == faces.after
    counts = dict(enumerate(faces.after.values()))
    assert faces.class_weights == list(balance.class_weights(counts).values())


def test_statistics_are_those_of_the_faces_trained_on(dataset: Prepared) -> None:
    faces = training_blocks(dataset, EVERYTHING, WARPS, seed=0)
    images = images_of(table_of(faces)["image"])
    assert faces.pixel_mean == pytest.approx(images.mean())
    assert faces.pixel_std == pytest.approx(images.std())
    assert faces.class_weights is None


def test_settings_that_do_not_fit_the_classes_are_refused(dataset: Prepared) -> None:
    with pytest.raises(ValueError, match=r"balance.neighbors must be less than the \d+ faces of"):
        training_blocks(dataset, BalanceConfig(target="largest", neighbors=30), WARPS, seed=0)
    tight = BalanceConfig(target="largest", neighbors=3, max_class_bytes=2304)
    with pytest.raises(ValueError, match=r"balance.max_class_bytes must be at least the"):
        training_blocks(dataset, tight, WARPS, seed=0)


@pytest.mark.parametrize("target", ["none", "median"])
def test_a_manifest_that_counts_other_classes_than_its_files_hold_is_refused(
    dataset: Prepared, target: Literal["none", "median"]
) -> None:
    train = dict(dataset.counts["train"])
    train |= {"fear": train["fear"] - 1, "sadness": train["sadness"] + 1}
    counts = {**dataset.counts, "train": train}
    other = replace(dataset, manifest={**dataset.manifest, "counts": counts}, setting="data.uri")
    sentence = (
        f"data.uri must hold the {train['fear']} faces of fear to train on that its manifest.json"
        f" counts, got {train['fear'] + 1} in {dataset.uri}"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        training_blocks(other, BalanceConfig(target=target, neighbors=3), WARPS, seed=0)


def test_a_dataset_of_the_paper_protocol_is_not_balanced_again(tmp_path: Path) -> None:
    labels = np.repeat(range(7), SIZES).tolist()
    paper = BalanceConfig(target=50, neighbors=3)
    dataset = prepare(
        PrepareConfig(
            data=DataConfig(uri=write_faces(tmp_path / "f.parquet", noise(442), labels)),
            split=SplitConfig(protocol="paper", deduplicate=False),
            balance=paper,
            storage=StorageConfig(uri=str(tmp_path)),
        )
    )
    faces = training_blocks(dataset, paper, WARPS, seed=0)
    assert faces.before == faces.after
    assert table_of(faces).equals(side(dataset, "train"))


@pytest.mark.parametrize("protocol", ["hashed", "paper"])
def test_faces_carried_to_a_gpu_are_balanced_to_the_same(dataset: Prepared, protocol: str) -> None:
    config = TrainConfig.model_validate(
        {"data": {"uri": "demo:"}, "split": {"protocol": protocol}, "seed": 5}
    ).model_copy(update={"balance": EVERYTHING, "augment": WARPS})
    carried = side(dataset, "train").drop_columns(["parents", "votes"])
    images, labels = batches.balanced(carried, config)
    balance = EVERYTHING if protocol == "hashed" else BalanceConfig(target="none")
    rows = table_of(training_blocks(dataset, balance, WARPS, seed=5))
    np.testing.assert_array_equal(images, images_of(rows["image"]))
    np.testing.assert_array_equal(labels, rows["label"].to_numpy())
