"""Of what operations a training step is made."""

import numpy as np
import tensorflow as tf

from fer_ray.cluster import fused, steps
from fer_ray.config import ModelConfig, OptimizerConfig, TrainingConfig
from fer_ray.network import vgg19
from fer_ray.network.optimizers import optimizer_of


def operations(model: ModelConfig) -> list[str]:
    """TensorFlow's kinds of all operations in the graph of a step over four faces."""
    network = vgg19.build(model, 128, 64)
    settings = OptimizerConfig(name="sgd", learning_rate=0.1, nesterov=False)
    optimizer = optimizer_of(settings, network.trainable_variables, fused)
    state = steps.State(network, optimizer, [], tf.Variable(np.zeros(3), dtype=tf.float64))
    step = steps.training_step(
        state, tf.distribute.get_strategy(), TrainingConfig(), settings, 0, None
    )
    given = (tf.zeros((4, 48, 48), tf.uint8), tf.zeros((4, 7)), tf.constant(0, tf.int64))
    graph = step.get_concrete_function(*given, tf.constant(0.1)).graph  # type: ignore[attr-defined]
    return [node.op for node in graph.as_graph_def().node]
