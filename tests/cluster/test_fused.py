"""fer_ray.cluster.fused: what Keras' optimizers do, in fewer operations."""

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
from fer_ray.config import OptimizerConfig, TrainConfig
from fer_ray.network.optimizers import optimizer_of
from fer_ray.runs import lease
from fer_ray.runs.storage import store
from tests.campaign import bare

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
