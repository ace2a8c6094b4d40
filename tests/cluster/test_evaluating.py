"""fer_ray.cluster.evaluating: any model on any faces, on a real cluster."""

import hashlib
import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest

from fer_ray.cluster import evaluating, models
from fer_ray.evaluation import EvaluateJobConfig
from fer_ray.faces import demo
from fer_ray.job import Outcome
from fer_ray.runs import layout
from tests.parquet_faces import write_faces
from tests.runs.looking import words
from tests.s3_server import S3

pytestmark = pytest.mark.usefixtures("ray_cluster")


@pytest.fixture(scope="module")
def storage(tiny_runs: Path) -> Path:
    return tiny_runs


@pytest.fixture(scope="module")
def model(storage: Path) -> str:
    """A model of somebody else's, of which nothing is known: it finds all classes alike."""
    faces = keras.Input((48, 48, 1))
    mean = keras.layers.GlobalAveragePooling2D()(faces)
    given = keras.layers.Dense(7, activation="softmax", kernel_initializer="zeros")(mean)
    path = storage / "strange.keras"
    keras.Model(faces, given).save(path)
    return str(path)


STRANGERS = {
    "known": True,
    "trained_on": 0,
    "related": 0,
    "chosen_by": 0,
    "made": 0,
    "pretrained": False,
}


def file_of(storage: Path) -> Path:
    """The file of the run ``one``."""
    return storage / "one" / layout.MODEL / layout.MODEL_FILE


def evaluated(storage: Path, run: str, uri: str = "demo:", **evaluate: Any) -> Outcome:
    settings = {
        "data": {"uri": uri, "demo_faces": 600},
        "storage": {"uri": str(storage)},
        "evaluate": evaluate,
        "run": run,
    }
    return evaluating.evaluate(EvaluateJobConfig.model_validate(settings))


def test_a_run_scores_on_its_own_test_side_what_it_told(storage: Path, one: Outcome) -> None:
    outcome = evaluated(storage, "own", model="one", flips=True)
    assert outcome.status == "done", outcome.error
    told, before = outcome.model_dump(), one.model_dump()
    assert told["metrics"]["test"] == before["metrics"]["test"]
    assert set(told["metrics"]) == {"test", "test_flips"}
    assert told["counts"] == {"test": before["counts"]["test"]}
    assert told["seen"] == STRANGERS
    assert told["leaky"] is False
    assert told["content"] == before["content"]
    assert told["model_sha256"] == hashlib.sha256(file_of(storage).read_bytes()).hexdigest()
    assert told["drawn"]
    ours = (storage / "one" / layout.predictions(flips=False)).read_bytes()
    assert (storage / "own" / layout.predictions(flips=False)).read_bytes() == ours
    table = pd.read_parquet(storage / "own" / layout.predictions(flips=True))
    right = float(np.mean(table["label"] == table["predicted"]))
    assert right == pytest.approx(told["metrics"]["test_flips"]["accuracy"])
    assert evaluated(storage, "own", model="one", flips=True).status == "already_done"


@pytest.mark.usefixtures("one")
def test_faces_that_a_model_was_trained_on_are_told_and_scored_apart(storage: Path) -> None:
    outcome = evaluated(storage, "all", model=str(storage / "one"), side="all")
    told = outcome.model_dump()
    counts = json.loads((storage / "one" / layout.DATA).read_text())["counts"]
    train, validation, test = (sum(counts[side].values()) for side in layout.SIDES)
    assert told["seen"] == STRANGERS | {"trained_on": train, "chosen_by": validation}
    assert told["leaky"]
    matrix = np.array(told["metrics"]["all_unseen"]["confusion_matrix"])
    assert matrix.sum() == test
    assert f"leaky: {train} of" in (storage / "all" / layout.REPORT_PAGE).read_text()


def test_models_are_compared_on_the_same_faces(storage: Path, one: Outcome, model: str) -> None:
    outcome = evaluated(storage, "both", model=model, against=["one", model])
    told = outcome.model_dump()
    it, same = told["against"]
    before = one.model_dump()["metrics"]["test"]
    assert it["metrics"] == before
    gain = told["metrics"]["test"]["accuracy"] - before["accuracy"]
    assert it["comparison"]["accuracy"]["difference"] == pytest.approx(gain)
    assert same["comparison"]["accuracy"]["interval"] == [0, 0]
    assert told["seen"] == {"known": False, "made": 0}
    assert told["leaky"] is None
    assert it["seen"] == STRANGERS
    assert it["compared"] == same["compared"] == "all"
    page = (storage / "both" / layout.REPORT_PAGE).read_text()
    assert "not known what it was trained on" in page
    assert page.count("<h3>strange.keras</h3>") == 1


def test_other_faces_are_scored_by_their_own_split(
    storage: Path, one: Outcome, tmp_path: Path
) -> None:
    images, labels = demo.draw(5_000, 400, seed=3)
    write_faces(tmp_path / "other.parquet", images, labels)
    outcome = evaluated(storage, "other", str(tmp_path / "other.parquet"), model="one", side="all")
    told = outcome.model_dump()
    assert sum(told["counts"]["all"].values()) == 400
    assert told["seen"] == STRANGERS
    assert "drawn" not in told
    assert told["metrics"]["all"]["accuracy"] != one.model_dump()["metrics"]["test"]["accuracy"]


@pytest.mark.usefixtures("one")
def test_all_faces_are_scored_as_they_stand_copies_and_missing_emotions_included(
    storage: Path, tmp_path: Path
) -> None:
    images, labels = demo.draw(5_000, 40, seed=3)
    some = [number for number, label in enumerate(labels) if label in (3, 4)][:5]
    some += some[:2]  # as copies
    path = tmp_path / "few.parquet"
    write_faces(path, images[some], [labels[number] for number in some])
    outcome = evaluated(storage, "few", str(path), model="one", side="all")
    told = outcome.model_dump()
    assert outcome.status == "done", outcome
    counts = {name: count for name, count in told["counts"]["all"].items() if count}
    assert set(counts) <= {"happiness", "sadness"}
    assert sum(counts.values()) == np.array(told["metrics"]["all"]["confusion_matrix"]).sum() == 7
    assert told["duplicates"] == {"groups": 2, "faces": 4, "contradicting_groups": 0}
    page = words((storage / "few" / layout.REPORT_PAGE).read_text())
    assert "2 groups of byte-identical faces (4 faces), 0 of them with contradicting" in page
    refused = evaluated(storage, "side", str(path), model="one")
    assert refused.status == "invalid"
    assert "every emotion" in str(refused.error)
    write_faces(path, images[:0], [])
    assert "must hold faces, got no rows" in str(
        evaluated(storage, "none", str(path), model="one", side="all").error
    )


@pytest.mark.usefixtures("one")
def test_a_model_whose_data_is_gone_is_not_said_to_be_new_to_the_faces(
    storage: Path, tmp_path: Path
) -> None:
    card = json.loads((storage / "one/model/model.json").read_text())
    card["data"]["dataset"] = str(tmp_path / "gone")
    (tmp_path / "model.json").write_text(json.dumps(card))
    (tmp_path / "model.keras").write_bytes((storage / "one/model/model.keras").read_bytes())
    outcome = evaluated(storage, "gone", model=str(tmp_path / "model.keras"))
    assert outcome.model_dump()["seen"] == {"known": False, "made": 0}


@pytest.mark.usefixtures("one")
def test_models_are_compared_on_faces_that_are_new_to_both(storage: Path, model: str) -> None:
    told = evaluated(storage, "apart", model=model, against=["one"], side="all").model_dump()
    (it,) = told["against"]
    counts = json.loads((storage / "one" / layout.DATA).read_text())["counts"]
    assert it["compared"] == "unseen"
    assert it["comparison"]["faces"] == sum(counts["test"].values())
    assert it["seen"]["trained_on"] == sum(counts["train"].values())


@pytest.mark.usefixtures("one")
@pytest.mark.parametrize(
    "card", ['{"class_name": "Functional"}', '{"schema_version": 1, "data": 3}']
)
def test_somebody_elses_card_beside_a_model_tells_nothing(
    storage: Path, tmp_path: Path, card: str
) -> None:
    (tmp_path / "model.json").write_text(card)
    (tmp_path / "model.keras").write_bytes(file_of(storage).read_bytes())
    place = models.locate(str(tmp_path / "model.keras"), str(storage), "evaluate.model")
    assert models.opened(place).facts() is None


@pytest.mark.usefixtures("one")
def test_a_card_tells_nothing_of_another_file(storage: Path, tmp_path: Path, model: str) -> None:
    card = (storage / "one" / layout.MODEL / layout.MODEL_FACTS).read_bytes()
    (tmp_path / "model.json").write_bytes(card)
    for content, known in (
        (file_of(storage).read_bytes(), True),
        (Path(model).read_bytes(), False),
    ):
        (tmp_path / "model.keras").write_bytes(content)
        place = models.locate(str(tmp_path / "model.keras"), str(storage), "evaluate.model")
        assert (models.opened(place).facts() is not None) is known


REFUSED = {
    "nothing": ("evaluate.model must name a run that is finished, its folder", "no-such-run"),
    "no model": ("a .keras file that Keras opens", "broken.keras"),
    "logits": ("a model that gives probabilities", "logits.keras"),
    "shape": ("a model of input (None, 48, 48, 1)", "coloured.keras"),
}


@pytest.fixture
def strange(tmp_path: Path) -> Path:
    """Files that are no models for faces."""
    (tmp_path / "broken.keras").write_bytes(b"PK\x03\x04 no")
    for name, channels, activation in (("logits", 1, None), ("coloured", 3, "softmax")):
        faces = keras.Input((48, 48, channels))
        mean = keras.layers.GlobalAveragePooling2D()(faces)
        given = keras.layers.Dense(7, activation=activation)(mean)
        keras.Model(faces, given).save(tmp_path / f"{name}.keras")
    return tmp_path


@pytest.mark.parametrize("why", REFUSED)
def test_what_is_no_model_for_faces_is_refused_in_a_sentence(
    storage: Path, strange: Path, why: str
) -> None:
    words, name = REFUSED[why]
    given = str(strange / name) if name.endswith(".keras") else name
    outcome = evaluated(storage, f"refused-{why.replace(' ', '-')}", model=given)
    assert (outcome.status, words in str(outcome.error)) == ("invalid", True), outcome.error


def test_a_model_is_found_in_object_storage(s3: S3) -> None:
    uri = f"s3://{s3.bucket()}/runs"
    for key in ("it/model/model.keras", "model.keras"):
        models.storage.store(uri).write_bytes(key, b"content")
    for given in ("it", f"{uri}/it", f"{uri}/it/model/model.keras", f"{uri}/model.keras"):
        place = models.locate(given, uri, "evaluate.model")
        assert place.folder.read_bytes(place.file) == b"content"
    with pytest.raises(ValueError, match=r"evaluate\.model must name a run .* 'other'"):
        models.locate("other", uri, "evaluate.model")
