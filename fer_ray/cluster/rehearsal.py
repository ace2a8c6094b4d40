"""A run before the run: its workers, its network and its batches, on drawn faces, and a resume.

What it shows is what the run will do: the same worker group, stream, step, validation and
checkpoints, for two epochs of a few steps.
"""

from dataclasses import dataclass

import ray

from fer_ray.cluster import balancing, dataset, training, workers
from fer_ray.cluster.owning import owned
from fer_ray.cluster.prepared import Prepared
from fer_ray.cluster.source import DEMO
from fer_ray.config import TrainConfig
from fer_ray.job import Outcome
from fer_ray.network.loading import load_keras
from fer_ray.preflight import PreflightConfig
from fer_ray.runs import checkpoint, layout, metrics, storage
from fer_ray.runs.lease import Lease

STEPS = 8  # an epoch; the first of all builds the graph
_FEWEST_FACES = 400  # of which every side and emotion gets some


@dataclass(frozen=True)
class Rehearsed:
    """What was seen of two epochs and of the second once more, after a resume."""

    workers: int
    images_per_s: float  # of the second epoch, over all workers
    same_bits: bool  # the weights at the end, resumed, were those of the first time
    resumed_at: int
    last_step: int


def gpu_at_work() -> str:
    """Which GPU TensorFlow has computed on, in a task that Ray gave one.

    Raises:
        ray.exceptions.RayError: of a ``ValueError`` where TensorFlow sees none.
    """
    told: str = ray.get(_compute.remote())
    return told


@ray.remote(num_cpus=1, num_gpus=1, max_calls=1)
def _compute() -> str:
    load_keras()
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        built = "built with CUDA" if tf.test.is_built_with_cuda() else "built without CUDA"
        raise ValueError(
            f"TensorFlow must see the GPU that Ray reserved for it, got none ({built})"
        )
    details = tf.config.experimental.get_device_details(gpus[0])
    with tf.device("/GPU:0"):
        ones = tf.ones((256, 256))
        total = float(tf.reduce_sum(ones @ ones))
    if total != 256.0**3:
        raise ValueError(f"a product of ones must sum to {256**3}, got {total:g}")
    return f"TensorFlow computes on {details.get('device_name', gpus[0].name)}"


def rehearse(config: PreflightConfig) -> Rehearsed:
    """Train two short epochs as ``config`` would, then the second again from its checkpoint.

    Everything that it writes is in a folder of its own under ``storage.uri``, deleted at the end.

    Raises:
        ValueError: the cluster cannot place the workers.
        ray.exceptions.RayError: a worker failed.
    """
    folder = storage.store(config.storage.uri).folder(layout.made_up_name("preflight"))
    seen: list[Rehearsed] = []

    def work(run: storage.Store, held: Lease) -> Outcome:
        seen.append(_rehearsed(short, run, held))
        return Outcome(status="done")

    short = _short(config, folder.uri)
    try:
        owned(short, work, reads={})
    finally:
        folder.hasty().delete_folder("")
    return seen[0]


def _short(config: PreflightConfig, uri: str) -> TrainConfig:
    """The run's own settings, but for its faces, its length and its place."""
    settings = config.model_dump(exclude={"preflight"})
    batch = config.training.batch_size
    faces = max(_FEWEST_FACES, round(STEPS * batch / 0.8))  # that share is trained on
    settings["data"] |= {"uri": DEMO, "demo_faces": faces}
    settings["split"] = {"protocol": "hashed"}
    settings["balance"] |= {"target": "none", "generator_below": 0}
    settings["optimizer"] |= {"warmup_epochs": 0}
    settings["training"] |= {"epochs": 2, "early_stopping": None, "tensorboard": False}
    settings["training"] |= {"keep_checkpoints": 2, "checkpoint_every_steps": None}
    settings["storage"] |= {"uri": uri}
    return TrainConfig.model_validate(settings | {"run": "rehearsal"})


def _rehearsed(config: TrainConfig, run: storage.Store, held: Lease) -> Rehearsed:
    data: Prepared = dataset.prepare(config)
    faces = balancing.training_blocks(data, config.balance, config.augment, config.seed)
    work, plan = training.work_of(config, held, data, faces), training.plan_of(config)
    training.begin(run, config, {"content": data.manifest["content"]})
    last = training.learn(run, held, work, faces.faces, plan).step
    first_time = _weights(run, last)
    _, second = metrics.read_all(run)
    checkpoint.delete(run, last)
    resumed_at = workers.progress_of(run.uri).step
    training.learn(run, held, work, faces.faces, plan)
    return Rehearsed(
        workers=second["workers"],
        images_per_s=second["images_per_s"],
        same_bits=_weights(run, last) == first_time,
        resumed_at=resumed_at,
        last_step=last,
    )


def _weights(run: storage.Store, step: int) -> dict[str, str]:
    """The hashes of a checkpoint's files: weights, optimizer, averages."""
    return {name: one.sha256 for name, one in checkpoint.manifest(run, step).files.items()}
