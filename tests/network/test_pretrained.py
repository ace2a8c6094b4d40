"""fer_ray.network.pretrained: which files fit which network, and what becomes of colour."""

import zipfile
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from fer_ray.config import ModelConfig
from fer_ray.network import export, vgg19
from fer_ray.network.pretrained import load

MEAN, STD = 129.5, 65.0
NAMES = vgg19.convolution_names()


def network(head: str = "paper", width: float = 0.125, seed: int = 0) -> keras.Model:
    """One of our networks."""
    return vgg19.build(ModelConfig(head=head, width=width), MEAN, STD, seed)


def faces(count: int) -> np.ndarray:
    """``(count, 48, 48, 1)`` float32 noise, 0 to 255."""
    return np.random.default_rng(2).uniform(0, 255, (count, 48, 48, 1)).astype(np.float32)


@pytest.fixture(scope="module")
def imagenet() -> keras.Model:
    """Keras' VGG19 without its top; drawn weights in place of ImageNet's, biases not zero."""
    keras.utils.set_random_seed(5)
    model = keras.applications.VGG19(weights=None, include_top=False, input_shape=(48, 48, 3))
    for name in NAMES:
        kernel, bias = model.get_layer(name).get_weights()
        model.get_layer(name).set_weights([kernel, bias + np.linspace(-1, 1, len(bias))])
    return model


def saved(model: keras.Model, folder: Path, layout: str) -> Path:
    """The model's weights in a file of one of the layouts."""
    path = folder / f"notop{layout}"
    match layout:
        case ".keras":
            model.save(path)
        case ".weights.h5":
            model.save_weights(path)
        case ".h5":  # as ImageNet's are published
            with h5py.File(path, "w") as file:
                file.attrs["layer_names"] = [layer.name.encode() for layer in model.layers]
                for layer in model.layers:
                    names = [f"{layer.name}_{kind}_1:0".encode() for kind in ("W", "b")]
                    group = file.create_group(layer.name)
                    group.attrs["weight_names"] = names if layer.weights else []
                    for name, weights in zip(names, layer.get_weights(), strict=False):
                        group[name] = weights
    return path


def first_layer(model: keras.Model, images: np.ndarray) -> np.ndarray:
    """What the first convolution gives."""
    part = keras.Model(model.input, model.get_layer(NAMES[0]).output)
    return keras.ops.convert_to_numpy(part(images))


@pytest.mark.parametrize("layout", [".keras", ".weights.h5", ".h5"])
def test_imagenets_layouts_fit_the_papers_head(
    layout: str, imagenet: keras.Model, tmp_path: Path
) -> None:
    model = network(width=1)
    head = model.get_layer("hidden").get_weights()[0]
    assert load(model, saved(imagenet, tmp_path, layout)) == NAMES
    for name in NAMES[1:]:
        theirs = imagenet.get_layer(name).get_weights()
        for ours, expected in zip(model.get_layer(name).get_weights(), theirs, strict=True):
            np.testing.assert_array_equal(ours, expected)
    np.testing.assert_array_equal(model.get_layer("hidden").get_weights()[0], head)


def test_a_grey_face_means_to_the_first_convolution_what_it_meant_in_colour(
    imagenet: keras.Model, tmp_path: Path
) -> None:
    model = network(width=1)
    load(model, saved(imagenet, tmp_path, ".weights.h5"))
    coloured = keras.applications.vgg19.preprocess_input(faces(2).repeat(3, axis=-1))
    inside = np.s_[:, 1:-1, 1:-1]  # the zeros around a face stand for another grey
    expected = first_layer(imagenet, coloured)[inside]
    np.testing.assert_allclose(first_layer(model, faces(2))[inside], expected, atol=1e-3)


def test_imagenets_kernels_fit_the_light_head_without_their_biases(
    imagenet: keras.Model, tmp_path: Path
) -> None:
    model = network("bn", width=1)
    assert load(model, saved(imagenet, tmp_path, ".weights.h5")) == NAMES
    (kernel,) = model.get_layer(NAMES[0]).get_weights()
    colour = imagenet.get_layer(NAMES[0]).get_weights()[0]
    np.testing.assert_allclose(kernel, colour.sum(axis=2, keepdims=True), rtol=1e-5, atol=1e-6)
    for name in NAMES[1:]:
        (kernel,) = model.get_layer(name).get_weights()
        np.testing.assert_array_equal(kernel, imagenet.get_layer(name).get_weights()[0])


@pytest.mark.parametrize("head", ["paper", "bn"])
@pytest.mark.parametrize("layout", [".keras", ".weights.h5", "exported"])
def test_our_own_files_bring_every_weight(head: str, layout: str, tmp_path: Path) -> None:
    theirs, ours = network(head, seed=1), network(head, seed=2)
    path = tmp_path / f"ours{layout if layout != 'exported' else '.keras'}"
    match layout:
        case ".keras":
            theirs.save(path)
        case ".weights.h5":
            theirs.save_weights(path)
        case "exported":
            export.save(export.inference_model(theirs), path)
    loaded = load(ours, path)
    assert loaded == [layer.name for layer in ours.layers if layer.weights]
    for mine, expected in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, expected)


def test_a_network_within_a_network_is_found(tmp_path: Path) -> None:
    theirs = keras.Sequential([network(seed=1), keras.layers.Softmax()])
    theirs.save(tmp_path / "nested.keras")
    theirs.save_weights(tmp_path / "nested.weights.h5")
    for path in sorted(tmp_path.iterdir()):
        ours = network(seed=2)
        load(ours, path)
        np.testing.assert_array_equal(ours.get_weights()[6], theirs.get_weights()[6])


def test_a_file_that_names_no_layers_is_read_in_order(tmp_path: Path) -> None:
    theirs, ours = network(seed=1), network(seed=2)
    path = tmp_path / "old.weights.h5"
    theirs.save_weights(path)
    with h5py.File(path, "r+") as file:
        for layer in file["layers"].values():
            layer["vars"].attrs.pop("name")
    assert load(ours, path) == NAMES
    for name in NAMES:
        expected = theirs.get_layer(name).get_weights()[0]
        np.testing.assert_array_equal(ours.get_layer(name).get_weights()[0], expected)


def test_a_whole_model_of_keras_2_is_read(tmp_path: Path, imagenet: keras.Model) -> None:
    path = saved(imagenet, tmp_path, ".h5")
    whole = tmp_path / "whole.h5"
    with h5py.File(path) as source, h5py.File(whole, "w") as file:
        source.copy(source, file, "model_weights")
    assert load(network(width=1), whole) == NAMES


def test_another_width_is_refused_with_both_shapes(tmp_path: Path) -> None:
    path = tmp_path / "wide.weights.h5"
    network(width=0.25, seed=1).save_weights(path)
    model = network(width=0.125)
    before = model.get_weights()
    with pytest.raises(
        ValueError,
        match=r"model.pretrained must fit .* model.width describe: block1_conv1's weights must be"
        r" \(3, 3, 1, 8\) and \(8,\), got \(3, 3, 1, 16\) and \(16,\)",
    ):
        load(model, path)
    for ours, expected in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(ours, expected)


def test_a_light_heads_file_does_not_fit_the_papers(tmp_path: Path) -> None:
    path = tmp_path / "light.weights.h5"
    network("bn").save_weights(path)
    with pytest.raises(ValueError, match=r"must be \(3, 3, 1, 8\) and \(8,\), got \(3, 3, 1, 8\)$"):
        load(network("paper"), path)


@pytest.mark.parametrize("layout", [".keras", ".weights.h5"])
def test_another_network_is_refused(layout: str, tmp_path: Path) -> None:
    other = keras.Sequential([keras.Input((48, 48, 1)), keras.layers.Conv2D(8, 3)])
    path = saved(other, tmp_path, layout)
    with pytest.raises(ValueError, match=r"sixteen convolutions.* without block1_conv"):
        load(network(), path)


@pytest.mark.parametrize("name", ["weights.keras", "weights.h5", "model.weights.h5"])
@pytest.mark.parametrize("content", [None, b"", b"not weights"])
def test_a_file_that_is_none_is_refused(name: str, content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=r"model.pretrained must be a file of Keras weights"):
        load(network(), path)


def test_a_zip_that_is_no_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "archive.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("README", "no model")
    with pytest.raises(ValueError, match=r"model.pretrained must be a file of Keras weights"):
        load(network(), path)


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"must be a .keras, .weights.h5 or .h5 file, got .*\.pt"):
        load(network(), tmp_path / "weights.pt")


def test_code_in_a_file_is_never_run(tmp_path: Path) -> None:
    path = tmp_path / "code.keras"
    keras.Sequential([keras.Input((1,)), keras.layers.Lambda(lambda x: x)]).save(path)
    with pytest.raises(ValueError, match=r"model.pretrained must be a file of Keras weights"):
        load(network(), path)
