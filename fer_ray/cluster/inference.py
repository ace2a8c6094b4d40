"""Scoring faces with a model file, in tasks wherever the cluster has room."""

import tempfile
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import ray

from fer_ray.cluster.stream import Faces
from fer_ray.faces import rows
from fer_ray.faces.votes import counts_of
from fer_ray.network.loading import load_keras
from fer_ray.runs.predictions import Predictions

SCORED_AT_ONCE = 256  # faces a forward pass
FACES_A_TASK = 512  # at least: a process that has never scored must load TensorFlow, and trace
ROUNDING = 0.01  # of seven probabilities' sum: in bfloat16 one of three misses 1 by over 0.001


def predict(model: "ray.ObjectRef[bytes]", faces: Faces, *, flips: bool) -> tuple[Predictions, ...]:
    """What a model says of every face, in order; with ``flips``, also the mean over its mirror's.

    It is asked block by block, so its answers do not depend on how many tasks ask it.

    Args:
        model: content of a ``.keras`` file: in ``(n, 48, 48, 1)``, 0 to 255; out ``(n, 7)``.
        faces: to score.
        flips: give a second answer, the mean over each face and its mirror image.

    Raises:
        ArithmeticError: the model's weights have diverged.
    """
    shares = [[faces.blocks[n] for n in one] for one in _shares(len(faces.blocks), faces.count)]
    scored = ray.get([_predict_blocks.remote(model, flips, *blocks) for blocks in shares])
    ids, labels, answers, votes = zip(*chain.from_iterable(scored), strict=True)
    return tuple(
        Predictions(
            ids=list(chain.from_iterable(ids)),
            labels=np.concatenate(labels),
            probabilities=_checked(np.concatenate(answer)),
            votes=np.concatenate(votes),
        )
        for answer in zip(*answers, strict=True)
    )


def _checked(probabilities: np.ndarray) -> np.ndarray:
    """The same, unless they are none."""
    if not np.isfinite(probabilities).all():
        raise ArithmeticError("the model must give finite probabilities, got others: it diverged")
    if np.abs(probabilities.sum(axis=1) - 1).max(initial=0) > ROUNDING:
        raise ArithmeticError("the model must give probabilities that sum to 1, got others")
    return probabilities


def _shares(blocks: int, faces: int) -> list[list[int]]:
    """Which of the blocks each task scores, in order."""
    tasks = min(blocks, max(1, faces // FACES_A_TASK))
    return [share.tolist() for share in np.array_split(np.arange(blocks), tasks)]


def set_up() -> None:
    """Load Keras, and keep TensorFlow off GPUs: tasks that score have reserved none."""
    load_keras()
    import tensorflow as tf

    tf.config.set_visible_devices([], "GPU")


def network_of(content: bytes) -> Any:
    """The network in a ``.keras`` file's content; Keras raises whatever the file leads it to."""
    import keras

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        path.write_bytes(content)
        return keras.saving.load_model(path, compile=False, safe_mode=True)


@ray.remote(num_cpus=1)
def _predict_blocks(
    model: bytes, flips: bool, *blocks: pa.Table
) -> list[tuple[list[str], np.ndarray, list[np.ndarray], np.ndarray]]:
    """Each block's ids, labels, probabilities by answer, and votes."""
    set_up()
    network = network_of(model)
    return [_predicted(network, block, flips) for block in blocks]


def _predicted(
    network: Any, block: pa.Table, flips: bool
) -> tuple[list[str], np.ndarray, list[np.ndarray], np.ndarray]:
    """One block's."""
    faces = rows.images_of(block["image"])
    answers = [_forward(network, faces)]
    if flips:
        answers.append(np.mean([answers[0], _forward(network, faces[:, :, ::-1])], axis=0))
    singly = [answer.astype(np.float32) for answer in answers]
    return block["id"].to_pylist(), block["label"].to_numpy(), singly, counts_of(block["votes"])


def _forward(network: Any, faces: np.ndarray) -> np.ndarray:
    """Probabilities of ``(n, 48, 48)`` faces; ``(n, 7)`` float64."""
    import keras

    parts = [
        keras.ops.convert_to_numpy(
            network(faces[i : i + SCORED_AT_ONCE, ..., None].astype(np.float32), training=False)
        )
        for i in range(0, len(faces), SCORED_AT_ONCE)
    ]
    return np.concatenate(parts).astype(np.float64)
