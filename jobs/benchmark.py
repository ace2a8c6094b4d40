"""What this project claims of its speed, measured beside the alternative in one run.

    python jobs/benchmark.py augment                  # Table 2 against Keras' ImageDataGenerator
    python jobs/benchmark.py balance DATASET_URI      # through Ray against plain imbalanced-learn
    python jobs/benchmark.py kernels                  # their gradients, against TensorFlow's own

Prints one line of JSON: both figures and their ratio. Run it on a machine that does nothing else.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any


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


def kernels(faces: int = 48, turns: int = 9) -> dict[str, dict[str, float]]:
    """Milliseconds of a kernel's gradient as a convolution and by TensorFlow, and their ratio.

    By the place of a convolution in VGG19 at width 1, as ``6x6x512-512``.

    Args:
        faces: of a batch.
        turns: of each; the best counts, so that the first may compile.
    """
    import numpy as np

    from fer_ray.network.loading import load_keras

    load_keras()
    import tensorflow as tf

    from fer_ray.cluster.convolution import kernel_gradient

    tf.config.experimental.enable_op_determinism()
    found = {}
    rng = np.random.default_rng(0)
    for size, channels, filters in (
        (24, 128, 128),
        (12, 128, 256),
        (12, 256, 256),
        (6, 256, 512),
        (6, 512, 512),
        (3, 512, 512),
    ):
        inputs, outputs = (
            tf.constant(rng.normal(size=(faces, size, size, depth)).astype(np.float32))
            for depth in (channels, filters)
        )

        @tf.function(autograph=False)
        def theirs(inputs: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
            shape = (3, 3, inputs.shape[-1], outputs.shape[-1])
            return tf.raw_ops.Conv2DBackpropFilter(
                input=inputs,
                filter_sizes=shape,
                out_backprop=outputs,
                strides=[1, 1, 1, 1],
                padding="SAME",
            )

        ours = tf.function(kernel_gradient, autograph=False)
        ways = {"ours": ours, "theirs": theirs}
        tasks = {name: partial(_called, way, inputs, outputs) for name, way in ways.items()}
        best = rates(tasks, faces, turns)
        mine, other = (faces / best[name] * 1e3 for name in ways)
        found[f"{size}x{size}x{channels}-{filters}"] = {
            "convolution_ms": round(mine, 1),
            "tensorflow_ms": round(other, 1),
            "ratio": round(other / mine, 2),
        }
    return found


def _called(function: Callable[..., Any], *given: object) -> None:
    """Wait for what a function of TensorFlow gives."""
    function(*given).numpy()


def main() -> None:
    """Measure what argv names and print it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    what = parser.add_subparsers(dest="what", required=True, metavar="augment|balance|kernels")
    what.add_parser("augment")
    what.add_parser("balance").add_argument("uri")
    what.add_parser("kernels").add_argument("--faces", type=int, default=48, help="of a batch")
    given = vars(parser.parse_args())
    measure = {"augment": augmentation, "balance": balance, "kernels": kernels}
    sys.stdout.write(json.dumps(measure[given.pop("what")](**given)) + "\n")


if __name__ == "__main__":
    main()
