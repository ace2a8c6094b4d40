"""fer_ray.cluster.models: which files are models for faces, and what is known of them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import ray

from fer_ray.cluster import models
from fer_ray.runs import layout, record
from fer_ray.runs.faults import StorageError
from fer_ray.runs.storage import store
from tests.s3_server import S3


def save(path: Path, bias: list[float], activation: str | None = None) -> str:
    """A model that says the same of every face."""
    faces = keras.Input((48, 48, 1))
    layer = keras.layers.Dense(7, activation=activation, kernel_initializer="zeros")
    model = keras.Model(faces, layer(keras.layers.GlobalAveragePooling2D()(faces)))
    layer.set_weights([layer.get_weights()[0], np.array(bias, np.float32)])
    model.save(path)
    return str(path)


@pytest.mark.usefixtures("ray_cluster")
@pytest.mark.parametrize(
    ("bias", "activation", "told"),
    [
        ([1.5, -0.5, 0, 0, 0, 0, 0], None, r"\[1.5, -0.5, 0.0"),  # they sum to 1
        ([0] * 7, "sigmoid", r"\[0.5, 0.5, 0.5"),
        ([0] * 7, "relu", r"\[0.0, 0.0"),
    ],
)
def test_numbers_that_are_no_probabilities_are_told(
    bias: list[float], activation: str | None, told: str, tmp_path: Path
) -> None:
    place = models.locate(save(tmp_path / "m.keras", bias, activation), "", "evaluate.model")
    with pytest.raises(
        ValueError, match=f"evaluate.model must name a model that gives probabilities, got {told}"
    ):
        models.opened(place)


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("monday", "monday"),
        ("{runs}/monday", "monday"),
        ("{runs}/monday/", "monday"),
        ("{runs}/monday/model/model.keras", "monday"),
        ("{runs}/others.keras", "others.keras"),
    ],
)
def test_a_model_is_called_after_its_run_or_its_file(given: str, name: str, tmp_path: Path) -> None:
    for file in ("monday/model/model.keras", "others.keras"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_bytes(b"content")
    place = models.locate(given.format(runs=tmp_path), str(tmp_path), "evaluate.model")
    assert place.name == name
    assert place.folder.read_bytes(place.file) == b"content"


@pytest.mark.usefixtures("ray_cluster")
def test_a_card_that_may_not_be_read_is_not_taken_for_none(
    s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = store(f"s3://{s3.bucket()}/runs").folder("it", layout.MODEL)
    content = ray.put(b"")

    def facts() -> Mapping[str, Any] | None:
        place = models.Place(store(folder.uri), layout.MODEL_FILE, "it")
        return models.Model(place, content, "0" * 64).facts()

    assert facts() is None
    record.write_document(folder, layout.MODEL_FACTS, {"sha256": "1" * 64})
    assert facts() is None
    record.write_document(folder, layout.MODEL_FACTS, {"sha256": "0" * 64})
    assert facts() == {"sha256": "0" * 64}
    for name, value in s3.stranger().environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(StorageError, match="access denied"):
        facts()
