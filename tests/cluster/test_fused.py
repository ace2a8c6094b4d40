"""fer_ray.cluster.fused: what Keras' optimizers and normalisation do, in fewer operations."""

from pathlib import Path
from types import ModuleType
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from fer_ray.cluster import fused
from fer_ray.cluster.building import build_state
from fer_ray.cluster.work import Work
from fer_ray.config import ModelConfig, OptimizerConfig, TrainConfig
from fer_ray.network import vgg19
from fer_ray.network.optimizers import optimizer_of
from fer_ray.runs import lease
from fer_ray.runs.storage import store
from tests.campaign import bare
from tests.cluster.traced import operations

STEPS, RATE = 7, 0.1
SETTINGS = {
    "sgd": OptimizerConfig(name="sgd", learning_rate=RATE, nesterov=False),
    "nesterov": OptimizerConfig(name="sgd", learning_rate=RATE),
    "no momentum": OptimizerConfig(name="sgd", learning_rate=RATE, momentum=0),
    "adam": OptimizerConfig(name="adam", learning_rate=RATE),
    "adamw": OptimizerConfig(name="adam", learning_rate=RATE, weight_decay=0.05),
}
# Keras takes 1 - .999 as .001, and 1 - .999**step from .999 in single precision, which is .999
# and 1.3e-8; TensorFlow takes both from that. It is 1.3e-5 of the second moment, half of a step's.
ROUNDING = {"adam": 1.3e-5, "sgd": 2e-7}
# bfloat16 has eight bits: both round what they give
CLOSENESS = {"float32": 2e-5, "mixed_bfloat16": 0.01}
STRATEGIES = {
    "alone": tf.distribute.get_strategy,
    "workers": tf.distribute.MultiWorkerMirroredStrategy,
}


class Trained:
    """Two weights with an optimizer of some kind, and a step over gradients."""

    def __init__(self, strategy: Any, settings: OptimizerConfig, kinds: ModuleType) -> None:
        rng = np.random.default_rng(0)
        with strategy.scope():
            self.weights = [
                keras.Variable(rng.normal(size=shape).astype(np.float32), name=name)
                for name, shape in (("kernel", (3, 5)), ("bias", (5,)))
            ]
            self.optimizer = optimizer_of(settings, self.weights, kinds)
        self.strategy = strategy
        self.step = tf.function(self._step, autograph=False)

    def _step(self, gradients: list[tf.Tensor], rate: tf.Tensor) -> None:
        self.optimizer.learning_rate.assign(rate)

        def on_replica() -> None:
            here = [tf.identity(gradient) for gradient in gradients]
            self.optimizer.apply_gradients(zip(here, self.weights, strict=True))

        self.strategy.run(on_replica)

    def train(self) -> None:
        rng = np.random.default_rng(1)
        for number in range(STEPS):
            gradients = [
                tf.constant(rng.normal(size=weight.shape).astype(np.float32))
                for weight in self.weights
            ]
            self.step(gradients, tf.constant(RATE / (1 + number)))

    def state(self) -> dict[str, np.ndarray]:
        everything = [*self.weights, *self.optimizer.variables]
        return {v.path: keras.ops.convert_to_numpy(v.value) for v in everything}


@pytest.mark.parametrize("where", STRATEGIES)
@pytest.mark.parametrize("which", SETTINGS)
def test_steps_lead_where_keras_own_lead(which: str, where: str) -> None:
    strategy = STRATEGIES[where]()
    ours = Trained(strategy, SETTINGS[which], fused)
    theirs = Trained(strategy, SETTINGS[which], keras.optimizers)
    begun = ours.state()
    ours.train()
    theirs.train()
    told, wanted = ours.state(), theirs.state()
    assert list(told) == list(wanted)
    for name, value in wanted.items():
        rounding = ROUNDING[SETTINGS[which].name]
        atol = rounding * RATE * STEPS
        np.testing.assert_allclose(told[name], value, rtol=1.1 * rounding, atol=atol, err_msg=name)
    assert all(np.abs(told[name] - begun[name]).max() > 0.01 for name in ("kernel", "bias"))


@pytest.mark.parametrize(
    ("which", "operation"),
    [("nesterov", "ResourceApplyKerasMomentum"), ("adam", "ResourceApplyAdam")],
)
def test_a_weight_is_moved_by_one_operation(which: str, operation: str) -> None:
    one = Trained(tf.distribute.get_strategy(), SETTINGS[which], fused)
    given = [tf.zeros(weight.shape) for weight in one.weights]
    graph = one.step.get_concrete_function(given, tf.constant(RATE)).graph
    kinds = [node.op for node in graph.as_graph_def().node]
    assert kinds.count(operation) == 2
    assert kinds.count("AssignVariableOp") == 2  # the rate and the count of steps
    assert not {"AssignAddVariableOp", "AssignSubVariableOp"} & set(kinds)


@pytest.mark.parametrize(("name", "kind"), [("sgd", fused.SGD), ("adam", fused.Adam)])
def test_a_run_is_trained_by_them(name: str, kind: type, tmp_path: Path) -> None:
    given = bare.CONFIG.model_dump() | {"optimizer": {"name": name}}
    with lease.acquire(store(str(tmp_path)), bare.LEASE_S) as held:
        work = Work(
            config=TrainConfig.model_validate(given),
            guard=held.guard,
            count=bare.FACES,
            validation=bare.Drawn((), (1,)),
            pixels=(100.0, 50.0),
            class_weights=None,
        )
        assert type(build_state(work, tf.distribute.get_strategy()).optimizer) is kind


@pytest.mark.parametrize("shape", [(6, 12, 12, 16), (3, 3, 3, 40), (1, 2, 1, 3)])
@pytest.mark.parametrize("dtype", CLOSENESS)
def test_a_batch_is_normalised_as_keras_does_it(dtype: str, shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    faces = keras.Input(shape[1:])
    layer = keras.layers.BatchNormalization(momentum=0.8, epsilon=0.02, dtype=dtype)
    plain = keras.Model(faces, layer(faces))
    given = tf.constant(rng.normal(rng.normal(size=shape[-1]), 2, shape).astype(np.float32))
    pulled = tf.constant(rng.normal(size=shape).astype(np.float32))
    weights, others = (
        [tf.constant(rng.uniform(1, 2, shape[-1]).astype(np.float32)) for _ in range(2)]
        for _ in range(2)
    )

    def results(model: keras.Model, training: bool) -> dict[str, np.ndarray]:
        with tf.GradientTape() as tape:
            tape.watch([given, *weights])
            out, statistics = model.stateless_call(weights, others, given, training=training)
            loss = tf.reduce_sum(tf.cast(out, tf.float32) * pulled)
        slopes = tape.gradient(loss, [given, *weights])
        names = ("out", "mean", "variance", "input's", "gamma's", "beta's")
        assert out.dtype == layer.compute_dtype
        arrays = [tf.cast(each, tf.float32).numpy() for each in (out, *statistics, *slopes)]
        return dict(zip(names, arrays, strict=True))

    for training in (True, False):
        told, wanted = (results(m, training) for m in (fused.trainable(plain), plain))
        for name, value in wanted.items():
            close = CLOSENESS[dtype] * max(1, np.abs(value).max())
            np.testing.assert_allclose(told[name], value, atol=close, rtol=0, err_msg=name)
        moved = not np.array_equal(told["mean"], others[0])
        assert moved == training


@pytest.mark.parametrize("head", ["bn", "paper"])
def test_what_is_trained_is_the_networks_own_and_leaves_it_kerass(head: str) -> None:
    network = vgg19.build(ModelConfig(head=head, width=0.03), 128, 64)
    before = network.get_config()
    trained = fused.trainable(network)
    assert [id(v) for v in trained.trainable_variables] == [
        id(v) for v in network.trainable_variables
    ]
    assert [id(v) for v in trained.non_trainable_variables] == [
        id(v) for v in network.non_trainable_variables
    ]
    assert network.get_config() == before
    assert {type(layer).__module__.split(".")[0] for layer in network.layers} == {"keras"}


def test_a_training_step_has_one_operation_a_normalisation() -> None:
    kinds = operations(ModelConfig(width=0.03))
    assert kinds.count("FusedBatchNormV3") == kinds.count("FusedBatchNormGradV3") == 16
    assert "SquaredDifference" not in kinds
