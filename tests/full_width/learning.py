"""The recipes' network trained by JAX on one device: same layers, losses, optimizer, schedule.

What a step does is what ``cluster.steps`` does, for one worker; an epoch's steps are one call of
the device. Dropout draws other numbers than there, all else is the job's.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np

from fer_ray.cluster.progress import Progress
from fer_ray.config import TrainConfig
from fer_ray.faces.emotions import EMOTIONS
from fer_ray.network import losses, optimizers, pretrained, schedule, vgg19
from fer_ray.runs import metrics

SCORED_AT_ONCE = 512

Arrays = list[Any]
Batches = Iterator[tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Learner:
    """A network and what moves it: pure functions of what they are given."""

    model: keras.Model
    optimizer: keras.Optimizer
    config: TrainConfig

    @classmethod
    def of(cls, config: TrainConfig, images: np.ndarray) -> "Learner":
        """A fresh one, for the training faces ``images``."""
        paper = config.model.head == "paper"
        pixels = (0.0, 255.0) if paper else (float(images.mean()), float(images.std()))
        model = vgg19.build(
            config.model, *pixels, seed=config.seed, dtype=config.training.precision
        )
        if config.model.pretrained is not None:
            pretrained.load(model, Path(config.model.pretrained))
        optimizer = optimizers.optimizer_of(config.optimizer, model.trainable_variables)
        return cls(model, optimizer, config)

    def start(self) -> dict[str, Any]:
        """The state before the first step, as copies: an epoch takes what it is given."""
        state: dict[str, Any] = {
            "weights": [jnp.copy(v.value) for v in self.model.trainable_variables],
            "others": [jnp.copy(v.value) for v in self.model.non_trainable_variables],
            "optimizer": [jnp.copy(v.value) for v in self.optimizer.variables],
            "sums": jnp.zeros(2),
        }
        averages = self._learned(state) if self.config.training.ema is not None else []
        state["averages"] = [jnp.copy(each) for each in averages]
        return state

    def _statistics(self) -> list[int]:
        every = self.model.non_trainable_variables
        return [i for i, v in enumerate(every) if "seed_generator" not in v.path]

    def _learned(self, state: dict[str, Any]) -> Arrays:
        return [*state["weights"], *(state["others"][i] for i in self._statistics())]

    @cached_property
    def epoch(self) -> Callable[..., dict[str, Any]]:
        """``epoch(state, images, targets, rates, first, count)``: ``count`` steps of them."""

        def run(state: Any, images: Any, targets: Any, rates: Any, first: Any, count: Any) -> Any:
            def body(i: Any, state: Any) -> Any:
                return self._step(state, images[i], targets[i], rates[i], first + i)

            return jax.lax.fori_loop(0, count, body, state | {"sums": jnp.zeros(2)})

        return jax.jit(run, donate_argnums=0)

    def _step(self, state: Any, images: Any, targets: Any, rate: Any, number: Any) -> Any:
        training, settings = self.config.training, self.config.optimizer
        variables = self.model.trainable_variables

        def loss_of(weights: Arrays) -> tuple[Any, tuple[Any, Any, Any]]:
            faces = images.astype("float32")[..., None]
            logits, others = self.model.stateless_call(
                weights, state["others"], faces, training=True
            )
            each = losses.cross_entropy(targets, logits, training.label_smoothing)
            return each.sum() / training.batch_size, (each, logits, others)

        gradients, (each, logits, others) = jax.grad(loss_of, has_aux=True)(state["weights"])
        with keras.StatelessScope(list(zip(variables, state["weights"], strict=True))):
            gradients = optimizers.l2_gradients(gradients, variables, settings, 1)
        moved = [
            rate.astype(value.dtype) if v is self.optimizer.learning_rate else value
            for v, value in zip(self.optimizer.variables, state["optimizer"], strict=True)
        ]
        weights, moved = self.optimizer.stateless_apply(moved, gradients, state["weights"])
        right = (logits.argmax(1) == targets.argmax(1)).sum()
        after = {
            "weights": weights,
            "others": others,
            "optimizer": moved,
            "averages": state["averages"],
            "sums": state["sums"] + jnp.stack([each.sum(), right.astype("float32")]),
        }
        if training.ema is not None:
            done = number.astype("float32") + 1
            decay = jnp.minimum(training.ema, (1 + done) / (10 + done))
            after["averages"] = [
                decay * average + (1 - decay) * now
                for average, now in zip(state["averages"], self._learned(after), strict=True)
            ]
        return after

    @cached_property
    def score(self) -> Callable[[dict[str, Any], np.ndarray], np.ndarray]:
        """``score(state, images) -> (n, 7)`` logits of ``(n, 48, 48)`` uint8 faces."""

        @jax.jit
        def forward(weights: Arrays, others: Arrays, images: Any) -> Any:
            faces = images.astype("float32")[..., None]
            return self.model.stateless_call(weights, others, faces, training=False)[0]

        def score(state: dict[str, Any], images: np.ndarray) -> np.ndarray:
            learned = state["averages"] or self._learned(state)
            trained, others = len(state["weights"]), list(state["others"])
            for place, value in zip(self._statistics(), learned[trained:], strict=True):
                others[place] = value
            parts = []
            for at in range(0, len(images), SCORED_AT_ONCE):
                some = images[at : at + SCORED_AT_ONCE]
                short = SCORED_AT_ONCE - len(some)
                padded = np.concatenate([some, np.zeros((short, *some.shape[1:]), np.uint8)])
                parts.append(np.asarray(forward(learned[:trained], others, padded))[: len(some)])
            return np.concatenate(parts)

        return score


def figures(logits: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """Loss and metrics of ``(n, 7)`` logits."""
    targets = np.eye(len(EMOTIONS), dtype=np.float32)[labels]
    loss = float(np.asarray(losses.cross_entropy(targets, logits)).mean(dtype=np.float64))
    counts = np.zeros((len(EMOTIONS), len(EMOTIONS)), np.int64)
    np.add.at(counts, (labels, logits.argmax(1)), 1)
    return {"loss": loss} | metrics.from_confusion(counts)


def speed(learner: Learner, batches: Batches, steps: int = 100, turns: int = 3) -> float:
    """Images a second of the first ``steps`` of an epoch, the best of ``turns``; all compiled."""
    images, targets = next(batches)
    state, best, steps = learner.start(), 0.0, min(steps, len(images))
    rates = np.full(len(images), learner.config.optimizer.learning_rate / 100, np.float32)
    for _ in range(1 + turns):  # the first compiles
        began = time.monotonic()
        state = learner.epoch(state, images, targets, rates, jnp.int32(0), steps)
        if not np.isfinite(np.asarray(state["sums"])).all():
            raise ValueError("the loss must be finite")
        best = max(best, steps * images.shape[1] / (time.monotonic() - began))
    return best


def learn(
    learner: Learner,
    edges: list[int],
    batches: Batches,
    validation: tuple[np.ndarray, np.ndarray],
    count: int,
    say: Callable[[dict[str, Any]], None],
) -> dict[str, Any]:
    """Train to the last of ``edges`` or to early stopping; the state of the best epoch.

    Args:
        learner: of the run.
        edges: the step at which each epoch begins, and the last's end.
        batches: an epoch's at a time.
        validation: faces and labels.
        count: training faces.
        say: takes each epoch's figures.
    """
    config = learner.config
    epoch, score, state = learner.epoch, learner.score, learner.start()
    progress, best = Progress(), state
    longest = max(stop - first for first, stop in pairwise(edges))
    size = config.training.batch_size
    for number, (images, targets) in enumerate(batches, start=1):
        first, stop = edges[number - 1], edges[number]
        rates = [
            schedule.learning_rate(
                step, count / size, edges[-1], config.optimizer, progress.plateau.scale
            )
            for step in range(first, stop)
        ]
        short = longest - (stop - first)
        padded = [np.pad(a, [(0, short)] + [(0, 0)] * (a.ndim - 1)) for a in (images, targets)]
        began = time.monotonic()
        state = epoch(
            state, *padded, np.pad(np.float32(rates), (0, short)), jnp.int32(first), stop - first
        )
        loss, right = np.asarray(state["sums"]) / ((stop - first) * size)
        seconds = time.monotonic() - began
        told = figures(score(state, validation[0]), validation[1])
        progress = replace(progress, step=stop).after_epoch(
            number, told, config.training, config.optimizer
        )
        if progress.best and progress.best.epoch == number:
            best = jax.tree.map(jnp.copy, state)
        say(
            {
                "epoch": number,
                "rate": rates[-1],
                "train": {"loss": float(loss), "accuracy": float(right)},
                "validation": {k: told[k] for k in ("loss", "accuracy", "macro_f1")},
                "images_per_s": (stop - first) * size / seconds,
            }
        )
        if progress.ended:
            break
    return best | {"best": progress.best}
