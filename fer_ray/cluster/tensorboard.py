"""Each epoch's figures as TensorBoard event files, made from the run's own metrics."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import ray

from fer_ray.network.loading import load_keras
from fer_ray.runs import layout, storage


@ray.remote(num_cpus=0)
def write_events(run_uri: str, epochs: Sequence[Mapping[str, Any]]) -> None:
    """Write the figures of ``epochs`` into the run's ``tensorboard/``, against the epoch."""
    load_keras()
    import tensorflow as tf

    tf.config.set_visible_devices([], "GPU")  # none is reserved
    run = storage.store(run_uri)
    with tempfile.TemporaryDirectory() as folder:
        writer = tf.summary.create_file_writer(folder)
        with writer.as_default():
            for epoch in epochs:
                for name, value in _scalars(epoch):
                    tf.summary.scalar(name, value, step=epoch["epoch"])
        writer.close()
        for file in Path(folder).iterdir():
            run.write_bytes(f"{layout.TENSORBOARD}/{file.name}", file.read_bytes())


def _scalars(epoch: Mapping[str, Any]) -> list[tuple[str, float]]:
    """Each number of an epoch's figures by name; those that were not finite stay out."""
    nested = [
        (f"{name}/{inner}", value)
        for name in ("train", "validation")
        for inner, value in epoch[name].items()
    ]
    flat = [(name, epoch[name]) for name in ("learning_rate", "images_per_s", "seconds")]
    return [(name, value) for name, value in nested + flat if isinstance(value, int | float)]
