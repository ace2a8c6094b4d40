"""From a checkpoint to the model that leaves the run: a plain ``.keras`` file and what it means."""

import hashlib
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ray

from fer_ray.cluster.work import Work
from fer_ray.faces.emotions import EMOTIONS
from fer_ray.network.loading import load_keras
from fer_ray.runs import layout, record, storage


def exported(work: Work, step: int, about: Mapping[str, Any]) -> "ray.ObjectRef[bytes]":
    """Write the model of the checkpoint at ``step`` into the run's ``model/``; its file's content.

    With EMA the averaged weights are the model.
    """
    content = _export.remote(work, step, about)
    ray.wait([content], fetch_local=False)  # its process, TensorFlow loaded, is then free to score
    return content


@ray.remote(num_cpus=1)
def _export(work: Work, step: int, about: Mapping[str, Any]) -> bytes:
    """The task."""
    load_keras()
    import tensorflow as tf

    from fer_ray.cluster.building import build_state, set_up_tensorflow
    from fer_ray.cluster.saving import restore
    from fer_ray.network.export import inference_model, save

    set_up_tensorflow(work.config, use_gpu=False)
    state = build_state(work, tf.distribute.get_strategy(), restored=True)
    restore(storage.store(work.run_uri), step, state)
    if state.averages:
        for average, weight in zip(state.averages, state.learned, strict=True):
            weight.assign(average)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / layout.MODEL_FILE
        save(inference_model(state.model), path)
        content = path.read_bytes()
    keep(work, content, step, about)
    return content


def keep(work: Work, content: bytes, step: int, about: Mapping[str, Any]) -> None:
    """Write a model's file into the run's ``model/``, and what it is.

    Beside it, ``model.json`` has the labels in the order of its output, what it takes and gives,
    and ``about``.
    """
    card = {
        "labels": list(EMOTIONS),
        "input": "(n, 48, 48, 1) grey faces, 0 black to 255 white",
        "output": "(n, 7) float32 probabilities, in the order of labels",
        "step": step,
        "sha256": hashlib.sha256(content).hexdigest(),
        "pretrained": work.config.model.pretrained,
        **about,
    }
    run = storage.store(work.run_uri).guarded(work.guard.check)
    work.guard.check()
    run.write_bytes(f"{layout.MODEL}/{layout.MODEL_FILE}", content)
    work.guard.check()
    record.write_document(run, f"{layout.MODEL}/{layout.MODEL_FACTS}", card)
