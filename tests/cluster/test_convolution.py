"""fer_ray.cluster.convolution: Keras' convolution with other gradients for its kernel."""

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from fer_ray.cluster import convolution, fused
from fer_ray.config import ModelConfig
from fer_ray.network.loading import ONEDNN
from tests.cluster.traced import operations

CLOSENESS = 2e-6  # of the largest value: sums of some thousand products in two orders
SLOW, FAST = "flags : fpu avx avx2 fma", "flags : fpu avx2 avx512f avx512_vnni"


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every processor is one whose kernels' gradients are slow."""
    monkeypatch.setattr(convolution, "slow_gradients", lambda: True)


@pytest.mark.parametrize("shape", [(48, 3, 3, 64), (5, 6, 6, 70), (2, 7, 4, 64), (1, 1, 1, 3)])
@pytest.mark.parametrize("filters", [64, 5])
def test_values_and_gradients_are_tensorflows(shape: tuple[int, ...], filters: int) -> None:
    rng = np.random.default_rng(0)
    given, kernel, pulled = (
        tf.constant(rng.normal(size=size).astype(np.float32))
        for size in (shape, (3, 3, shape[-1], filters), (*shape[:-1], filters))
    )
    results = []
    for kind in (convolution.convolve, lambda x, k: tf.nn.conv2d(x, k, 1, "SAME")):
        with tf.GradientTape() as tape:
            tape.watch([given, kernel])
            out = kind(given, kernel)
        results.append([out, *tape.gradient(out, [given, kernel], output_gradients=pulled)])
    for name, ours, theirs in zip(("out", "input's", "kernel's"), *results, strict=True):
        close = CLOSENESS * float(tf.reduce_max(tf.abs(theirs)))
        np.testing.assert_allclose(ours, theirs, atol=close, rtol=0, err_msg=name)


@pytest.mark.usefixtures("slow")
@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("bias", [True, False])
def test_a_layer_gives_what_kerass_gives(bias: bool, dtype: str) -> None:
    rng = np.random.default_rng(1)
    faces = keras.Input((6, 6, 64))
    layer = keras.layers.Conv2D(
        66,
        3,
        padding="same",
        use_bias=bias,
        activation="relu" if bias else None,
        bias_initializer="random_normal",
        dtype=dtype,
    )
    plain = keras.Model(faces, layer(faces))
    given = tf.constant(rng.normal(size=(4, 6, 6, 64)).astype(np.float32))
    weights = [tf.convert_to_tensor(v.value) for v in plain.trainable_variables]
    results = []
    for model in (fused.trainable(plain), plain):
        with tf.GradientTape() as tape:
            tape.watch(weights)
            out, _ = model.stateless_call(weights, [], given, training=True)
            loss = tf.reduce_sum(tf.square(tf.cast(out, tf.float32)))
        assert out.dtype == layer.compute_dtype
        results.append([tf.cast(out, tf.float32), *tape.gradient(loss, weights)])
    for ours, theirs in zip(*results, strict=True):
        close = CLOSENESS * float(tf.reduce_max(tf.abs(theirs)))
        np.testing.assert_allclose(ours, theirs, atol=close, rtol=0)


@pytest.mark.parametrize(("slow", "there"), [(True, 9), (False, 16)])
def test_a_step_has_it_where_it_is_faster(
    slow: bool, there: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(convolution, "slow_gradients", lambda: slow)
    kinds = operations(ModelConfig(width=0.125))  # 64 channels in the last two blocks
    assert kinds.count("Conv2DBackpropFilter") == there
    assert kinds.count("Conv2D") == 16 + (16 - there)


@pytest.mark.usefixtures("slow")
@pytest.mark.parametrize(
    ("shape", "filters", "dtype", "gains"),
    [
        ((48, 12, 12, 64), 64, "float32", True),
        ((128, 6, 6, 512), 512, "float32", True),
        ((128, 12, 12, 256), 256, "float32", False),  # a kernel beyond a core's cache
        ((12, 24, 24, 128), 128, "float32", False),  # nor are few faces of larger maps
        ((48, 6, 6, 63), 64, "float32", False),
        ((48, 6, 6, 64), 63, "float32", False),
        ((48, 6, 6, 64), 64, "bfloat16", False),
        ((None, 6, 6, 64), 64, "float32", False),
    ],
)
def test_it_is_chosen_by_what_was_measured(
    shape: tuple[int | None, ...], filters: int, dtype: str, gains: bool
) -> None:
    assert convolution.gains(shape, filters, dtype) == gains


@pytest.mark.parametrize(
    ("flags", "gpus", "onednn", "slow"),
    [
        (SLOW, [], "1", True),
        (SLOW, ["one"], "1", False),
        (SLOW, [], "0", False),
        (FAST, [], "1", False),
        ("Features : asimd", [], "1", False),
        (None, [], "1", False),
    ],
)
def test_it_is_used_by_onednn_on_processors_whose_flags_tell(
    flags: str | None,
    gpus: list[str],
    onednn: str,
    slow: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda _kind: gpus)
    monkeypatch.setenv(ONEDNN, onednn)
    cpuinfo = tmp_path / "cpuinfo"
    if flags is not None:
        cpuinfo.write_text(f"model name : some\n{flags} sse\n")
    assert convolution.slow_gradients(cpuinfo) is slow
