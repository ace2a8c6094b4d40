"""fer_ray.network.export: probabilities, and a file that needs Keras alone."""

import json
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest

from fer_ray.config import ModelConfig
from fer_ray.network import vgg19
from fer_ray.network.export import inference_model, save

# An installed fer_ray lies beside Keras, where another folder does not hide it: None does.
ELSEWHERE = """
import sys
sys.modules["fer_ray"] = None
import keras, numpy as np
images = np.load("faces.npy")
for name in sys.argv[1:]:
    model = keras.saving.load_model(name + ".keras", safe_mode=True)
    np.save(name + ".npy", model.predict(images, verbose=0))
"""


def network(head: str = "bn", dtype: str = "float32") -> keras.Model:
    """A narrow network whose batch normalisation has seen some faces."""
    model = vgg19.build(ModelConfig(head=head, width=0.125), 128, 64, dtype=dtype)
    for _ in range(3):
        model(faces(16), training=True)
    return model


def faces(count: int) -> np.ndarray:
    """``(count, 48, 48, 1)`` uint8 noise."""
    return np.random.default_rng(1).integers(256, size=(count, 48, 48, 1), dtype=np.uint8)


def output(model: keras.Model, images: np.ndarray) -> np.ndarray:
    """What a model gives, as NumPy."""
    return keras.ops.convert_to_numpy(model(images))


def test_its_output_is_the_softmax_of_the_logits() -> None:
    model = network()
    logits = output(model, faces(5)).astype(np.float64)
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    probabilities = output(inference_model(model), faces(5))
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities, expected, atol=1e-6)


def test_it_shares_the_training_models_weights() -> None:
    model = network("paper")
    exported = inference_model(model)
    before = output(exported, faces(2))
    model.get_layer("logits").set_weights([np.zeros((128, 7)), np.arange(7)])
    after = output(exported, faces(2))
    assert not np.allclose(before, after)
    expected = np.exp(np.arange(7)) / np.exp(np.arange(7)).sum()
    np.testing.assert_allclose(after, [expected, expected], rtol=1e-5)


def test_a_process_without_this_package_gets_the_same_probabilities(tmp_path: Path) -> None:
    models = {
        "paper": inference_model(network("paper")),
        "bn": inference_model(network("bn")),
        "mixed": inference_model(network("bn", "mixed_bfloat16")),
    }
    np.save(tmp_path / "faces.npy", faces(6))
    for name, model in models.items():
        save(model, tmp_path / f"{name}.keras")
    subprocess.run([sys.executable, "-I", "-c", ELSEWHERE, *models], cwd=tmp_path, check=True)
    for name, model in models.items():
        expected = model.predict(faces(6), verbose=0)
        np.testing.assert_allclose(np.load(tmp_path / f"{name}.npy"), expected, rtol=0, atol=1e-6)


def members(path: Path) -> dict[str, bytes]:
    """What a ``.keras`` file holds, in order."""
    with zipfile.ZipFile(path) as file:
        return {name: file.read(name) for name in file.namelist()}


def test_one_network_saved_at_two_times_is_one_file(tmp_path: Path) -> None:
    first, later, other = (tmp_path / f"{name}.keras" for name in ("first", "later", "other"))
    model = network()
    save(inference_model(model), first)
    time.sleep(2.1)  # Keras tells whole seconds, zip every other one
    save(inference_model(model), later)
    assert later.read_bytes() == first.read_bytes()
    model.get_layer("logits").bias.assign_add([1e-6] * 7)
    save(inference_model(model), other)
    assert other.read_bytes() != first.read_bytes()


def test_all_but_the_time_is_as_keras_saves_it(tmp_path: Path) -> None:
    ours, kerass = tmp_path / "ours.keras", tmp_path / "keras.keras"
    model = inference_model(network())
    save(model, ours)
    keras.saving.save_model(model, kerass)
    found, expected = members(ours), members(kerass)
    assert list(found) == list(expected)
    told = [json.loads(one.pop("metadata.json")) for one in (found, expected)]
    assert found == expected
    assert told[0] == told[1] | {"date_saved": told[0]["date_saved"]}
    assert abs(ours.stat().st_size - kerass.stat().st_size) < 100  # neither is compressed


def test_a_network_that_gives_logits_is_not_saved(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="output must be probabilities, got logits"):
        save(network(), tmp_path / "model.keras")
    assert not list(tmp_path.iterdir())


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="keras"):
        save(inference_model(network()), tmp_path / "model.bin")
