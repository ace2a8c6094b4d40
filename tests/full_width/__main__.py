"""The recipes at full width on one GPU, by JAX: ``pack`` here, ``train`` there, without Ray.

    python jobs/prepare.py --config best --data.uri faces.parquet
    python -m tests.full_width pack PACK best=runs/datasets/KEY honest=...
    python jobs/train.py --config best --data.uri faces.parquet --print_config > best.yaml
    KERAS_BACKEND=jax python -m tests.full_width train PACK best best.yaml OUT --also best
    KERAS_BACKEND=jax python -m tests.full_width speed PACK best best.yaml

TensorFlow for GPUs may be too large to bring to where one is. The network, its losses, optimizers
and schedules are Keras alone and run on any backend, so a GPU's figures for the recipes can be had
there: the same faces in the same order under the same changes. What Ray does is not in it.
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from fer_ray.cluster.progress import Progress
from fer_ray.config import TrainConfig
from fer_ray.faces import order
from fer_ray.faces.rows import images_of
from tests.full_width import batches, packing


def main() -> None:
    """Do what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    pack = commands.add_parser("pack")
    pack.add_argument("pack", type=Path)
    pack.add_argument("datasets", nargs="+", help="NAME=FOLDER, of a prepared dataset")
    for name in ("train", "speed"):
        one = commands.add_parser(name)
        one.add_argument("pack", type=Path)
        one.add_argument("dataset")
        one.add_argument("settings", type=Path, help="YAML of --print_config")
        one.add_argument("--processes", type=int, default=os.cpu_count())
        one.add_argument("--set", nargs="*", default=[], metavar="SECTION.FIELD=VALUE")
    commands.choices["train"].add_argument("out", type=Path)
    commands.choices["train"].add_argument("--also", nargs="*", default=[], help="score its test")
    commands.choices["train"].add_argument("--seconds", type=float, help="as many epochs as fit")
    options = parser.parse_args()
    if options.command == "pack":
        named = (one.partition("=") for one in options.datasets)
        packing.pack({name: Path(folder) for name, _, folder in named}, options.pack)
    elif options.command == "train":
        train(options)
    else:
        speed(options)


def settings(options: argparse.Namespace) -> TrainConfig:
    """The run's settings."""
    nested = yaml.safe_load(options.settings.read_text())
    for one in options.set:
        name, _, value = one.partition("=")
        *section, field = name.split(".")
        (nested[section[0]] if section else nested)[field] = yaml.safe_load(value)
    return TrainConfig.model_validate(nested)


def faces_of(options: argparse.Namespace, config: TrainConfig) -> tuple[dict[str, Any], Any]:
    """The sides of the dataset, and its training side balanced."""
    sides = packing.unpack(options.pack, options.dataset)
    return sides, batches.Drawn(*batches.balanced(sides["train"], config), config)


def edges_of(config: TrainConfig, count: int, epochs: int) -> list[int]:
    """The step at which each epoch begins, and the last's end."""
    size = config.training.batch_size
    return [order.steps_through(epoch, count, size) for epoch in range(epochs + 1)]


def train(options: argparse.Namespace) -> None:
    """Train, then score the test side with the best epoch's weights."""
    from tests.full_width import learning

    began = time.monotonic()
    config = settings(options)
    sides, drawn = faces_of(options, config)
    count, epochs = len(drawn.images), config.training.epochs
    validation = images_of(sides["validation"]["image"]), sides["validation"]["label"].to_numpy()
    options.out.mkdir(parents=True, exist_ok=True)
    lines: list[dict[str, Any]] = []

    def say(told: dict[str, Any]) -> None:
        lines.append(told | {"seconds": round(time.monotonic() - began, 1)})
        (options.out / "epochs.json").write_text(json.dumps(lines))
        if told["epoch"] % 10 == 1:
            sys.stderr.write(f"{options.out.name} {json.dumps(lines[-1])}\n")

    learner = learning.Learner.of(config, drawn.images)
    with batches.making(drawn, options.processes) as made:
        if options.seconds:
            rate = learning.speed(learner, made(edges_of(config, count, 1)))
            left = options.seconds - (time.monotonic() - began)
            epochs = max(1, min(epochs, int(left * rate / count)))
        edges = edges_of(config, count, epochs)
        best = learning.learn(learner, edges, made(edges), validation, count, say)
    outcome: dict[str, Any] = {
        "run": options.out.name,
        "chosen": Progress(best=best["best"]).asdict()["best"],
        "epochs": epochs,
        "faces": count,
        "settings": config.model_dump(mode="json"),
    }
    others = {name: packing.unpack(options.pack, name)["test"] for name in options.also}
    seen: dict[str, np.ndarray] = {}
    for name, rows in ({"own": sides["test"]} | others).items():
        images, labels = images_of(rows["image"]), rows["label"].to_numpy()
        plain = learner.score(best, images)
        mirrored = learner.score(best, np.ascontiguousarray(images[:, :, ::-1]))
        both = np.log((softmax(plain) + softmax(mirrored)) / 2)
        for row, logits in {name: plain, f"{name}_flips": both}.items():
            outcome[row] = learning.figures(logits, labels)
            seen[row] = logits
        seen |= {f"{name}_labels": labels, f"{name}_ids": np.array(rows["id"].to_pylist(), "S32")}
    np.savez_compressed(options.out / "scored.npz", **seen)
    outcome["seconds"] = round(time.monotonic() - began, 1)
    (options.out / "outcome.json").write_text(json.dumps(outcome, indent=1))
    figures = {
        name: one["accuracy"]
        for name, one in outcome.items()
        if isinstance(one, dict) and "macro_f1" in one
    }
    told = {"run": options.out.name, "seconds": outcome["seconds"]} | figures
    sys.stdout.write(json.dumps(told) + "\n")


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities, float64."""
    powers = np.exp(logits.astype(np.float64) - logits.max(1, keepdims=True))
    return np.asarray(powers / powers.sum(1, keepdims=True))


def speed(options: argparse.Namespace) -> None:
    """Print images a second of the training step, and of making batches."""
    from tests.full_width import learning

    config = settings(options)
    _, drawn = faces_of(options, config)
    count = len(drawn.images)
    with batches.making(drawn, options.processes) as made:
        rate = learning.speed(
            learning.Learner.of(config, drawn.images), made(edges_of(config, count, 1))
        )
        began = time.monotonic()
        for _ in made(edges_of(config, count, 3)):
            pass
        making = 3 * count / (time.monotonic() - began)
    told = {"dataset": options.dataset, "set": options.set, "images_per_s": rate, "made": making}
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main()
