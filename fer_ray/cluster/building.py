"""What stands before the first step: TensorFlow as the settings want it, and a fresh state."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from fer_ray.cluster import fused, steps
from fer_ray.cluster.work import Work
from fer_ray.config import TrainConfig
from fer_ray.names import local_path
from fer_ray.network import optimizers, pretrained, vgg19
from fer_ray.runs import storage


def build_state(
    work: Work, strategy: tf.distribute.Strategy, *, restored: bool = False
) -> steps.State:
    """The network, its optimizer and all else that a step changes, as before the first step.

    ``restored`` says that a checkpoint follows: pretrained weights then are not looked for.
    """
    config = work.config
    with strategy.scope():
        model = vgg19.build(
            config.model, *work.pixels, seed=config.seed, dtype=config.training.precision
        )
        if config.model.pretrained is not None and not restored:
            with _at_hand(config.model.pretrained) as path:
                pretrained.load(model, path)
        optimizer = optimizers.optimizer_of(config.optimizer, model.trainable_variables, fused)
    learned = [*model.trainable_variables, *steps.statistics_of(model)]
    averages = (
        [tf.Variable(v.value, trainable=False, name=v.path) for v in learned]
        if config.training.ema is not None
        else []
    )
    sums = tf.Variable(np.zeros(len(steps.SUMS)), trainable=False, dtype=tf.float64, name="sums")
    return steps.State(model, optimizer, averages, sums)


def set_up_tensorflow(config: TrainConfig, *, use_gpu: bool, threads: int | None = None) -> None:
    """Make TensorFlow repeatable, if asked to, and keep it to what is its own.

    Ray leaves every GPU of a node visible to tasks that reserved none, and processes are used
    again: the choice must be made before TensorFlow first looks at a device, and stays.

    Args:
        config: of the run.
        use_gpu: whether a GPU is reserved.
        threads: of an operation, and operations at once; by default TensorFlow's own choice.
    """
    tf.get_logger().setLevel("ERROR")
    if threads is not None:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
    if not use_gpu:
        tf.config.set_visible_devices([], "GPU")
    for gpu in tf.config.get_visible_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)
    if config.training.deterministic:
        keras.utils.set_random_seed(config.seed)
        tf.config.experimental.enable_op_determinism()


def strategy_of(config: TrainConfig) -> tf.distribute.MultiWorkerMirroredStrategy:
    """The strategy of the worker group that this process is in; over NCCL where it has GPUs."""
    kinds = tf.distribute.experimental.CommunicationImplementation
    kind = kinds.NCCL if config.cluster.use_gpu else kinds.AUTO
    return tf.distribute.MultiWorkerMirroredStrategy(
        communication_options=tf.distribute.experimental.CommunicationOptions(implementation=kind)
    )


@contextmanager
def _at_hand(uri: str) -> Iterator[Path]:
    """A local path of the file at ``uri``, fetched for the while if it is elsewhere."""
    path = local_path(uri)
    if path is not None:
        yield Path(path)
        return
    folder, _, name = uri.partition("?")[0].rpartition("/")
    query = uri.partition("?")[2]
    store = storage.store(f"{folder}?{query}" if query else folder, "model.pretrained")
    with tempfile.TemporaryDirectory() as here:
        fetched = Path(here) / name
        fetched.write_bytes(store.read_bytes(name))
        yield fetched
