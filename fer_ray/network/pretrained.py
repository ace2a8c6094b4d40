"""Weights to start from: another network's, read from a local file, laid into this one.

Layers are matched by name, so what ``model.pretrained`` may name is this project's own files and
any VGG19 whose convolutions are called ``block1_conv1`` to ``block5_conv4``, as Keras calls them:
``.keras``, ``.weights.h5``, or the older ``.h5`` in which ImageNet's weights without their top
("notop") are published. All sixteen convolutions must be there and fit; a layer that the file
lacks (another head, batch normalisation) keeps its fresh weights. Nothing is unpickled or run.
"""

import re
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import h5py
import keras
import numpy as np

from fer_ray.network.vgg19 import convolution_names

Layers = Mapping[str, list[np.ndarray]]  # a layer's weights by its name, in Keras' order

# All that Keras, h5py and zipfile raise over a file that is broken, or not what it says.
_BROKEN = (
    *(OSError, TypeError, ValueError, LookupError, AttributeError, ImportError, RuntimeError),
    *(EOFError, zipfile.BadZipFile, zlib.error),
)
_REASON_CHARACTERS = 300

# keras.applications.vgg19.preprocess_input: blue, green, red; subtracted, nothing divided.
_IMAGENET_MEANS = np.array([103.939, 116.779, 123.68])


def load(model: keras.Model, path: Path) -> list[str]:
    """Lays a file's weights into the network and returns the names of the layers that got some.

    A first convolution over three channels becomes one over grey (``_grey``). The biases of a
    network without batch normalisation are left out of one with it, where means are subtracted.
    This project's own weights are taken as they are: the normalisation stays the new network's.

    Args:
        model: of ``vgg19.build``, either head; width 1 for ImageNet's weights.
        path: of a local ``.keras``, ``.weights.h5`` or ``.h5``.

    Raises:
        ValueError: the file is not one of these, lacks a convolution, or one of its layers does
            not fit; the network is then as it was.
    """
    found = _layers_of(path)
    missing = [name for name in convolution_names() if name not in found]
    if missing:
        raise ValueError(
            "model.pretrained must hold VGG19's sixteen convolutions, block1_conv1 to"
            f" block5_conv4, got a file without {missing[0]}: {path}"
        )
    fitted = {
        layer.name: _fitted(model, layer, found[layer.name])
        for layer in model.layers
        if layer.weights and layer.name in found
    }
    for name, weights in fitted.items():
        model.get_layer(name).set_weights(weights)
    return list(fitted)


def _fitted(model: keras.Model, layer: keras.Layer, weights: list[np.ndarray]) -> list[np.ndarray]:
    """A layer's new weights, in its own shapes."""
    if layer.name == convolution_names()[0] and weights[0].shape[2:3] == (3,):
        weights = _grey(model, weights)
    if isinstance(layer, keras.layers.Conv2D) and not layer.use_bias:
        weights = weights[:1]
    ours = [tuple(variable.shape) for variable in layer.weights]
    theirs = [array.shape for array in weights]
    if ours != theirs:
        raise ValueError(
            "model.pretrained must fit the network that model.head and model.width"
            f" describe: {layer.name}'s weights must be {_shapes(ours)}, got {_shapes(theirs)}"
        )
    return weights


def _grey(model: keras.Model, weights: list[np.ndarray]) -> list[np.ndarray]:
    """ImageNet's first convolution for a grey face that this network has normalised.

    A grey pixel g is the same in all three channels, so their kernels add up. ImageNet's was
    trained on ``g - mean of the channel``, ours sees ``(g - mean) / std``; with the quotient
    multiplied into the kernel and the means' difference into the bias, both give the same in
    every place but the border, where zero padding stands for another grey. Under batch
    normalisation scale and shift cancel, and the plain sum keeps the step length of this kernel
    near the others'.
    """
    kernel = weights[0].astype(np.float64)
    summed = kernel.sum(axis=2, keepdims=True)
    if not model.get_layer(convolution_names()[0]).use_bias:
        return [summed.astype(np.float32)]
    normalisation = model.get_layer("normalisation")
    std = 1 / normalisation.scale
    mean = -normalisation.offset * std
    shift = np.einsum("hwco,c->o", kernel, mean - _IMAGENET_MEANS)
    return [(summed * std).astype(np.float32), (weights[1] + shift).astype(np.float32)]


def _layers_of(path: Path) -> Layers:
    """The named layers of a file of Keras weights."""
    if not path.name.endswith((".keras", ".h5")):
        raise ValueError(f"model.pretrained must be a .keras, .weights.h5 or .h5 file, got {path}")
    try:
        if path.suffix == ".keras":
            return _model_layers(keras.saving.load_model(path, compile=False, safe_mode=True))
        with h5py.File(path) as file:
            root = file.get("model_weights", file)  # a whole model's .h5 holds its weights there
            return _old_layers(root) if "layer_names" in root.attrs else _named_layers(root)
    except _BROKEN as error:
        reason = " ".join(str(error).split())[:_REASON_CHARACTERS]
        raise ValueError(
            f"model.pretrained must be a file of Keras weights, got {path}: {reason}"
        ) from error


def _model_layers(model: keras.Model) -> Layers:
    """The layers of a model and of the models within it."""
    found: dict[str, list[np.ndarray]] = {}
    for layer in model.layers:
        inner = isinstance(layer, keras.Model)
        found |= _model_layers(layer) if inner else {layer.name: layer.get_weights()}
    return found


def _named_layers(root: h5py.Group) -> Layers:
    """The layers of a ``.weights.h5``: groups ``layers/conv2d_3/vars``, named by an attribute."""
    found: dict[str, list[np.ndarray]] = {}

    def visit(place: str, group: h5py.Group | h5py.Dataset) -> None:
        if place.endswith("/vars"):
            name = str(group.attrs.get("name", _name_by_order(place)))
            found[name] = [np.asarray(group[str(index)]) for index in range(len(group))]

    root.visititems(visit)
    return found


def _name_by_order(place: str) -> str:
    """A layer's name where the file tells none, as older Keras 3 did: the n-th convolution's."""
    convolution = re.search(r"(?:^|/)conv2d(?:_(\d+))?/vars$", place)
    order = int(convolution[1] or 0) if convolution else len(convolution_names())
    return [*convolution_names(), place][min(order, len(convolution_names()))]


def _old_layers(root: h5py.Group) -> Layers:
    """The layers of a Keras 2 ``.h5``: a group each, whose attribute lists its weights in order."""
    return {
        name: [np.asarray(root[name][weight]) for weight in root[name].attrs["weight_names"]]
        for name in map(_text, root.attrs["layer_names"])
    }


def _text(name: bytes | str) -> str:
    """A name of an HDF5 attribute, which may be held as bytes."""
    return name.decode() if isinstance(name, bytes) else name


def _shapes(shapes: list[tuple[int, ...]]) -> str:
    """Shapes as a sentence has them."""
    return " and ".join(str(shape) for shape in shapes) or "none"
