"""Files made to run code when they are opened: Parquet with pickles, Keras models with programs."""

import io
import json
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import keras
import pyarrow as pa
import pytest
from ray.data.extensions import ArrowPythonObjectArray

from fer_ray.cluster import inference
from fer_ray.config import ModelConfig
from fer_ray.network import export, vgg19
from fer_ray.network.pretrained import load
from tests.corpus.manifests import faces
from tests.corpus.outcomes import Cases, check_file, sentence
from tests.corpus.parquets import FACE, parquet

pytestmark = pytest.mark.timeout(120)


class Mkdir:
    """What makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.folder),)


def hostile_parquets(code: bytes) -> Cases:
    """Parquet whose own types say that their bytes are to be unpickled."""
    kind = ArrowPythonObjectArray.from_objects([1]).type
    column = pa.ExtensionArray.from_storage(kind, pa.array([code], kind.storage_type))
    face = pa.array([FACE])
    listed = pa.ListArray.from_arrays([0, 1], column)
    within = {
        "alone": column,
        "in a struct": pa.StructArray.from_arrays([column], names=["bytes"]),
        "in a list": listed,
        "in a list in a struct": pa.StructArray.from_arrays([listed], names=["bytes"]),
        "in a list in a list": pa.ListArray.from_arrays([0, 1], listed),
    }
    tables = {f"image {name}": {"image": one, "label": [3]} for name, one in within.items()}
    tables |= {f"label {name}": {"image": face, "label": one} for name, one in within.items()}
    for role in ("usage", "votes"):
        tables[f"{role} in a list"] = {"image": face, "label": [3], role: listed}
    cases = {name: parquet(pa.table(columns)) for name, columns in tables.items()}
    names = ["ray.data.arrow_tensor", "ray.data.arrow_tensor_v2", "arrow.py_extension_type"]
    for name in [*names, "ray.data.arrow_variable_shaped_tensor"]:
        told = {b"ARROW:extension:name": name.encode(), b"ARROW:extension:metadata": code}
        images = pa.array([[7] * 9], pa.large_list(pa.uint8()))
        schema = pa.schema([pa.field("image", images.type, metadata=told), ("label", pa.int64())])
        table = pa.Table.from_arrays([images, pa.array([3])], schema=schema)
        cases[f"metadata of {name}"] = parquet(table)
    return cases


def test_parquet_that_holds_pickles_runs_no_code(tmp_path: Path) -> None:
    exploded = tmp_path / "exploded"
    for name, content in hostile_parquets(pickle.dumps(Mkdir(exploded))).items():
        path = tmp_path / "f.parquet"
        path.write_bytes(content)
        check_file(path)
        assert not exploded.exists(), name
    pickle.loads(pickle.dumps(Mkdir(exploded)))
    assert exploded.exists()  # it is a bomb


@pytest.fixture(scope="module")
def network() -> keras.Model:
    return vgg19.build(ModelConfig(head="paper", width=0.125), 129.5, 65.0, 0)


def with_lambda(folder: Path) -> bytes:
    """A model whose first layer is a program that makes ``folder``."""
    code = f"lambda x: [x, __import__('os').mkdir({str(folder)!r})][0]"
    layers = [keras.Input((48, 48, 1)), keras.layers.Lambda(eval(code), output_shape=(48, 48, 1))]
    path = folder.with_suffix(".keras")
    keras.Sequential([*layers, keras.layers.Flatten(), keras.layers.Dense(7)]).save(path)
    return path.read_bytes()


def model_of(config: object) -> bytes:
    """A ``.keras`` that says it is ``config``."""
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        archive.writestr("metadata.json", '{"keras_version": "3.12.0", "date_saved": "x"}')
        text = config if isinstance(config, bytes) else json.dumps(config).encode()
        archive.writestr("config.json", text)
        archive.writestr("model.weights.h5", b"")
    return sink.getvalue()


def layers_of(*layers: object) -> dict[str, Any]:
    config = {"name": "s", "layers": list(layers)}
    return named("keras", "Sequential", config)


def named(module: object, name: object, config: object) -> dict[str, Any]:
    return {"module": module, "class_name": name, "config": config, "registered_name": None}


def hostile_models(folder: Path, whole: bytes) -> Cases:
    """Models that name programs, files of this machine, or nothing that Keras knows."""
    command = f"mkdir {folder}"
    configs: dict[str, object] = {
        "a list": [],
        "a number": 3,
        "null": None,
        "no JSON": b"{",
        "not UTF-8": b"\xff",
        "very deep": b"[" * 100_000,
        "a number for a class": named("keras", 3, {}),
        "a number for a module": named(3, "Model", {}),
        "another package": named("os", "system", {"command": command}),
        "a function": named("os", "function", "system") | {"registered_name": "system"},
        "a builtin": named("builtins", "eval", {"source": command}),
        "no such module": named("no_such_module", "X", {}),
        "a layer from elsewhere": layers_of(named("os", "system", {"command": command})),
        "a download": layers_of(
            named("keras.utils", "get_file", {"fname": "x", "origin": f"file://{folder}"})
        ),
        "torch": layers_of(named("keras.layers", "TorchModuleWrapper", {"module": command})),
        "a file of words": layers_of(
            named("keras.layers", "StringLookup", {"vocabulary": "/etc/hostname"})
        ),
        "layers that are none": layers_of(3),
        "layers that are no list": named("keras", "Sequential", {"name": "s", "layers": 3}),
        "a config that is none": named("keras", "Sequential", 3),
        "a width below 0": layers_of(named("keras.layers", "Dense", {"units": -1})),
    }
    cases = {name: model_of(config) for name, config in configs.items()}
    cases |= {f"cut to {n}": whole[:n] for n in (0, 4, 1000, len(whole) // 2, len(whole) - 9)}
    for place in (200, 5_000, len(whole) // 2, len(whole) - 30):
        flipped = bytearray(whole)
        flipped[place] ^= 0xFF
        cases[f"flipped at {place}"] = bytes(flipped)
    return cases | {"a program": with_lambda(folder)}


def test_a_hostile_model_is_no_pretrained_weights_and_runs_no_code(
    network: keras.Model, tmp_path: Path
) -> None:
    exploded, whole = tmp_path / "exploded", tmp_path / "whole.keras"
    export.save(export.inference_model(network), whole)
    assert load(network, whole)
    before, path = network.get_weights(), tmp_path / "hostile.keras"
    for name, content in hostile_models(exploded, whole.read_bytes()).items():
        path.write_bytes(content)
        told = sentence(lambda: load(network, path))
        assert told.startswith("model.pretrained must be a file of Keras weights, got "), name
        assert not exploded.exists(), name
    for ours, same in zip(network.get_weights(), before, strict=True):
        assert (ours == same).all()


def test_a_model_that_holds_a_program_is_not_scored(tmp_path: Path) -> None:
    exploded = tmp_path / "exploded"
    model = with_lambda(exploded)
    with pytest.raises(ValueError, match="Lambda"):
        inference._predict_blocks._function(model, False, faces())
    assert not exploded.exists()
    path = tmp_path / "trusted.keras"
    path.write_bytes(model)
    trusted = keras.saving.load_model(path, safe_mode=False)
    trusted(keras.ops.zeros((1, 48, 48, 1)))
    assert exploded.exists()  # it is a bomb
