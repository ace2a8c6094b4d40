"""What this project claims of its speed, measured beside the alternative in one run.

    python jobs/benchmark.py augment                  # Table 2 against Keras' ImageDataGenerator
    python jobs/benchmark.py balance DATASET_URI      # through Ray against plain imbalanced-learn
    python jobs/benchmark.py training --width 0.25    # the job's steps against train_on_batch

Prints one line of JSON: both figures and their ratio. Run it on a machine that does nothing else.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]


def rates(tasks: dict[str, Callable[[], object]], faces: int, turns: int) -> dict[str, float]:
    """Faces a second of each task, the best of ``turns``, taken in turns so that load hits all."""
    best = dict.fromkeys(tasks, 0.0)
    for _ in range(turns):
        for name, task in tasks.items():
            start = time.perf_counter()
            task()
            best[name] = max(best[name], faces / (time.perf_counter() - start))
    return best


def augmentation(faces: int = 4_096, batch_size: int = 512, turns: int = 5) -> dict[str, float]:
    """Faces per second of Table 2 by fer_ray and by ImageDataGenerator, and their ratio.

    Args:
        faces: in each turn.
        batch_size: of both.
        turns: of each; the best counts.
    """
    import cv2
    import numpy as np
    from keras.src.legacy.preprocessing.image import ImageDataGenerator

    from fer_ray.config import AugmentConfig
    from fer_ray.faces import augment, demo

    cv2.setNumThreads(1)
    images, _labels = demo.draw(0, faces, seed=0)
    table_2 = AugmentConfig(
        rotation=30,
        width_shift=0.2,
        height_shift=0.2,
        shear=0.2,
        zoom=0.2,
        horizontal_flip=True,
        vertical_flip=True,
    )
    generator = ImageDataGenerator(
        rotation_range=30,
        width_shift_range=0.2,
        height_shift_range=0.2,
        shear_range=0.2,
        zoom_range=0.2,
        horizontal_flip=True,
        vertical_flip=True,
        fill_mode="nearest",
    )

    def ours() -> None:
        for start in range(0, faces, batch_size):
            batch = images[start : start + batch_size]
            places = np.arange(start, start + len(batch))
            augment.augment(batch, augment.uniforms(0, places, augment.DRAWS), table_2)

    def keras() -> None:
        flow = generator.flow(images[..., None], batch_size=batch_size, shuffle=False, seed=0)
        for _ in range(len(flow)):
            next(flow)

    found = rates({"fer_ray": ours, "image_data_generator": keras}, faces, turns)
    return {
        "augment_faces_per_s": round(found["fer_ray"]),
        "image_data_generator_faces_per_s": round(found["image_data_generator"]),
        "augment_ratio": round(found["fer_ray"] / found["image_data_generator"], 1),
    }


def balance(uri: str, target: int = 4_000, turns: int = 3) -> dict[str, float]:
    """Seconds of balancing through Ray and by plain imbalanced-learn, and their ratio.

    Ray reads the faces from storage too; plain imbalanced-learn finds them in memory.

    Args:
        uri: of a prepared dataset.
        target: faces that every class of its training side is brought to.
        turns: of each; the best counts.
    """
    import numpy as np
    import ray
    from imblearn.over_sampling import SMOTE
    from imblearn.under_sampling import RandomUnderSampler

    from fer_ray.cluster import balancing, prepared, session
    from fer_ray.config import AugmentConfig, BalanceConfig
    from fer_ray.faces.rows import images_of

    settings = BalanceConfig(target=target)
    with session.session(verbose=False):
        dataset = prepared.open_prepared(uri)
        tables = ray.get(list(prepared.side_blocks(dataset, "train").blocks))
        images = np.concatenate([images_of(table["image"]) for table in tables])
        faces = images.reshape(len(images), -1).astype(np.float32)
        labels = np.concatenate([table["label"].to_numpy() for table in tables])
        up = {label: max(n, target) for label, n in enumerate(np.bincount(labels).tolist())}
        ray_s, plain_s = [], []
        for _ in range(turns):
            started = time.perf_counter()
            grown, grown_labels = SMOTE(sampling_strategy=up, random_state=0).fit_resample(
                faces, labels
            )
            down = RandomUnderSampler(sampling_strategy=dict.fromkeys(up, target), random_state=0)
            plain, _ = down.fit_resample(grown, grown_labels)
            plain_s.append(time.perf_counter() - started)
            del grown
            started = time.perf_counter()
            balanced = balancing.training_blocks(dataset, settings, AugmentConfig(), seed=0)
            ray_s.append(time.perf_counter() - started)
            assert balanced.faces.count == len(plain)
    return {
        "ray_s": round(min(ray_s), 2),
        "plain_s": round(min(plain_s), 2),
        "ratio": round(min(ray_s) / min(plain_s), 2),
    }


def training(
    width: float, batch_size: int = 48, steps: int = 120, turns: int = 2
) -> dict[str, float | list[int]]:
    """Images per second of ``jobs/train.py`` and of a bare ``train_on_batch`` loop, in turns.

    The job is the whole one (Ray Data, augmentation, one worker, validation, checkpoints); its
    figure is that of its epochs after the first, which compiles. The bare loop has the same network
    and optimizer, and its batches in memory. Each turn is a process of its own.

    Args:
        width: of VGG19 with batch normalisation.
        batch_size: of both.
        steps: of an epoch of the job, about, and of the bare loop.
        turns: of each; the medians count.
    """
    import numpy as np

    job, bare, waits = [], [], []
    for _ in range(turns):
        bare.append(float(_output([__file__, "bare", f"{width}", f"{batch_size}", f"{steps}"])))
        for epoch in _epochs(width, batch_size, steps)[1:]:
            job.append(epoch["images_per_s"])
            waits.append(epoch["wait_s"])
    return {
        "width": width,
        "job_images_per_s": round(float(np.median(job)), 1),
        "train_on_batch_images_per_s": round(float(np.median(bare)), 1),
        "ratio": round(float(np.median(job) / np.median(bare)), 3),
        "job_epochs": [round(rate) for rate in job],
        "train_on_batch_turns": [round(rate) for rate in bare],
        "wait_between_epochs_s": round(float(np.median(waits)), 3),
    }


def _epochs(width: float, batch_size: int, steps: int) -> list[dict[str, float]]:
    """The metrics of each epoch of a job."""
    faces = max(350, steps * batch_size * 10 // 8)
    flags = f"""
        --config demo --balance.target none --data.demo_faces {faces} --model.width {width}
        --optimizer.weight_decay 0
        --training.batch_size {batch_size} --training.epochs 3 --run timed
    """.split()
    with tempfile.TemporaryDirectory() as folder:
        _output([str(ROOT / "jobs" / "train.py"), *flags, "--storage.uri", folder])
        lines = (Path(folder) / "timed" / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def bare(width: float, batch_size: int, steps: int) -> float:
    """Images per second of Keras' own ``train_on_batch``, after three steps that warm it up."""
    import keras

    from fer_ray.config import ModelConfig
    from fer_ray.faces import demo
    from fer_ray.network import vgg19

    model = vgg19.build(ModelConfig(width=width, dropout=0.2), 128, 64)
    model.compile(
        keras.optimizers.SGD(0.01, momentum=0.9, nesterov=True),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    images, labels = demo.draw(0, batch_size * 8, seed=0)
    batches = [
        (images[i : i + batch_size, ..., None].astype("float32"), labels[i : i + batch_size])
        for i in range(0, len(images), batch_size)
    ]
    for batch in batches[:3]:
        model.train_on_batch(*batch)
    began = time.perf_counter()
    for step in range(steps):
        model.train_on_batch(*batches[step % len(batches)])
    return batch_size * steps / (time.perf_counter() - began)


def _output(command: list[str]) -> str:
    """What a Python process of its own prints."""
    done = subprocess.run(
        [sys.executable, *command],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    return done.stdout


def main() -> None:
    """Measure what argv names and print it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    what = parser.add_subparsers(dest="what", required=True, metavar="augment|balance|training")
    what.add_parser("augment")
    what.add_parser("balance").add_argument("uri")
    steps = what.add_parser("training")
    steps.add_argument("--width", type=float, default=0.25)
    steps.add_argument("--steps", type=int, default=120)
    steps.add_argument("--turns", type=int, default=2)
    loop = what.add_parser("bare")
    for name, kind in (("width", float), ("batch_size", int), ("steps", int)):
        loop.add_argument(name, type=kind)
    given = vars(parser.parse_args())
    measure = {"augment": augmentation, "balance": balance, "training": training, "bare": bare}
    sys.stdout.write(json.dumps(measure[given.pop("what")](**given)) + "\n")


if __name__ == "__main__":
    main()
