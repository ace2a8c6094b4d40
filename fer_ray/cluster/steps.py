"""One training step over all workers, as a pure function: equal ranks, exact resume.

Everything a step reads or writes is in ``State``; everything random in it is keyed by
``(seed, layer, step, rank)``. Nothing here may depend on what ran before in the process.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import keras
import numpy as np
import tensorflow as tf

from fer_ray.cluster import fused
from fer_ray.config import OptimizerConfig, TrainingConfig
from fer_ray.network import losses
from fer_ray.network.optimizers import l2_gradients

Captured = dict[str, dict[str, np.ndarray]]  # copies of all values: by part, by variable
Step = Callable[[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor], None]
Scorer = Callable[[tf.Tensor], tf.Tensor]
Summation = Callable[[np.ndarray], np.ndarray]
SUMS = ("loss", "correct", "faces")  # of the epoch so far, over all workers


@dataclass(frozen=True)
class State:
    """What training changes: variables, equal on every rank at any moment between steps."""

    model: keras.Model
    optimizer: keras.Optimizer
    averages: Sequence[tf.Variable]  # of all in ``learned``; empty without EMA
    sums: tf.Variable  # (3,) float64, see SUMS

    @property
    def statistics(self) -> list[keras.Variable]:
        """Batch normalisation's moving statistics."""
        return statistics_of(self.model)

    @property
    def learned(self) -> list[keras.Variable]:
        """What the model's file keeps: trainable weights, then statistics."""
        return [*self.model.trainable_variables, *self.statistics]

    def capture(self, into: Captured | None = None) -> Captured:
        """Copies of all values, by part and variable; changes nothing but ``into``, if given.

        ``into`` is an earlier capture that is no longer needed: memory that is new to the process
        costs four times what the copying does.
        """
        now = {
            part: {f"{i:03d} {getattr(v, 'path', v.name)}": _value(v) for i, v in enumerate(those)}
            for part, those in self._variables().items()
        }
        captured = into or {
            part: {name: np.empty_like(value) for name, value in values.items()}
            for part, values in now.items()
        }
        for part, values in now.items():
            for name, value in values.items():
                np.copyto(captured[part][name], value)
        return captured

    def digest(self) -> np.ndarray:
        """A hash of the weights: ``(2,)`` float64 whole numbers whose sums are exact."""
        running = hashlib.sha256()
        for variable in self.learned:
            running.update(_value(variable).data)
        whole = running.digest()
        return np.array([int.from_bytes(whole[i : i + 3]) for i in (0, 3)], np.float64)

    def restore(self, captured: Mapping[str, Mapping[str, np.ndarray]]) -> None:
        """Set all values to what ``capture`` gave."""
        for part, variables in self._variables().items():
            arrays = captured[part]
            assert len(arrays) == len(variables), (part, len(arrays), len(variables))
            for variable, key in zip(variables, sorted(arrays), strict=True):
                variable.assign(arrays[key])

    def _variables(self) -> dict[str, list[tf.Variable | keras.Variable]]:
        parts: dict[str, list[tf.Variable | keras.Variable]] = {
            "weights": list(self.learned),
            "optimizer": list(self.optimizer.variables),
            "sums": [self.sums],
        }
        return parts | ({"averages": list(self.averages)} if self.averages else {})


def _value(variable: tf.Variable | keras.Variable) -> np.ndarray:
    """A variable's value, not copied where it is in this machine's memory; it stays as it is now.

    TensorFlow gives the variable other memory when it changes while something reads this.
    """
    return np.asarray(memoryview(tf.convert_to_tensor(variable)))


def statistics_of(model: keras.Model) -> list[keras.Variable]:
    """The moving statistics of a network's batch normalisation; none without it."""
    return [v for v in model.non_trainable_variables if not _is_seed(v)]


def _is_seed(variable: keras.Variable) -> bool:
    """Whether ``variable`` is a dropout's random state, which is derived anew in each step."""
    return "seed_generator" in variable.path


def training_step(
    state: State,
    strategy: tf.distribute.Strategy,
    training: TrainingConfig,
    optimizer: OptimizerConfig,
    seed: int,
    class_weights: Sequence[float] | None,
) -> Step:
    """``step(images, targets, number, rate)`` that trains on this worker's part of a global batch.

    The loss is summed over the shard and divided by the global batch, so shards may differ in
    size. Loss, correct faces and batch normalisation's statistics of all replicas travel in one
    packed all-reduce; the statistics are averaged, hence equal everywhere and never touched by
    saving.

    Args:
        state: built in ``strategy.scope()`` on every worker.
        strategy: of all workers, one replica each.
        training: batch_size, label_smoothing, ema.
        optimizer: weight_decay.
        seed: of the run.
        class_weights: of the loss, in label order, if any.

    Returns:
        A function of images ``(n, 48, 48)`` uint8, targets ``(n, 7)`` float32, the step's number,
        int64, and its learning rate, float32.
    """
    model = fused.trainable(state.model)
    everything = model.non_trainable_variables
    seeds = [i for i, v in enumerate(everything) if _is_seed(v)]
    statistics = [i for i, v in enumerate(everything) if not _is_seed(v)]
    fold_in = tf.random.experimental.stateless_fold_in
    replicas = strategy.num_replicas_in_sync

    def on_replica(images: tf.Tensor, targets: tf.Tensor, number: tf.Tensor) -> tf.Tensor:
        context = tf.distribute.get_replica_context()
        others = [tf.convert_to_tensor(v.value) for v in everything]
        for layer, place in enumerate(seeds):
            key = fold_in(tf.constant([seed, layer]), tf.cast(number, tf.int32))
            key = fold_in(key, context.replica_id_in_sync_group)
            others[place] = tf.bitcast(key, tf.uint32)
        weights = [tf.convert_to_tensor(v.value) for v in model.trainable_variables]
        with tf.GradientTape() as tape:
            tape.watch(weights)
            logits, others = model.stateless_call(weights, others, _as_input(images), training=True)
            each = losses.cross_entropy(targets, logits, training.label_smoothing, class_weights)
            loss = tf.reduce_sum(each) / training.batch_size
        gradients = tape.gradient(loss, weights)
        gradients = l2_gradients(gradients, model.trainable_variables, optimizer, replicas)
        state.optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        right = tf.equal(tf.argmax(logits, 1), tf.argmax(targets, 1))
        sums = [tf.reduce_sum(each), tf.reduce_sum(tf.cast(right, tf.float32))]
        parts = [tf.stack(sums), *(tf.reshape(others[i], [-1]) for i in statistics)]
        return context.all_reduce(tf.distribute.ReduceOp.SUM, tf.concat(parts, 0))

    def keep(averaged: tf.Tensor) -> None:
        sizes = [everything[i].value.shape.num_elements() for i in statistics]
        for i, part in zip(statistics, tf.split(averaged, sizes), strict=True):
            everything[i].assign(tf.reshape(part, everything[i].shape))

    @tf.function(autograph=False, reduce_retracing=True)
    def step(images: tf.Tensor, targets: tf.Tensor, number: tf.Tensor, rate: tf.Tensor) -> None:
        state.optimizer.learning_rate.assign(rate)
        total = strategy.run(on_replica, (images, targets, number))
        (packed,) = strategy.experimental_local_results(total)
        if statistics:
            strategy.run(keep, (packed[2:] / replicas,))
        faces = tf.constant([training.batch_size], tf.float64)
        state.sums.assign_add(tf.concat([tf.cast(packed[:2], tf.float64), faces], 0))
        if training.ema is not None:
            done = tf.cast(number, tf.float32) + 1
            decay = tf.minimum(training.ema, (1 + done) / (10 + done))  # young averages move fast
            for average, weight in zip(state.averages, state.learned, strict=True):
                average.assign(decay * average + (1 - decay) * tf.convert_to_tensor(weight.value))

    return cast(Step, step)


def scorer(state: State) -> Scorer:
    """``score(images) -> logits``, on this worker alone; of the averaged weights, if any.

    Images are ``(n, 48, 48)`` uint8, logits ``(n, 7)`` float32; nothing is changed.
    """
    trained = len(state.model.trainable_variables)

    @tf.function(autograph=False, input_signature=[tf.TensorSpec((None, 48, 48), tf.uint8)])
    def score(images: tf.Tensor) -> tf.Tensor:
        values = [
            tf.convert_to_tensor(v) for v in state.averages or [v.value for v in state.learned]
        ]
        weights, statistics = values[:trained], iter(values[trained:])
        others = [
            tf.convert_to_tensor(v.value) if _is_seed(v) else next(statistics)
            for v in state.model.non_trainable_variables
        ]
        logits, _ = state.model.stateless_call(weights, others, _as_input(images), training=False)
        return logits

    return cast(Scorer, score)


def summation(strategy: tf.distribute.Strategy) -> Summation:
    """``total(values)``: their sum over all workers, who must all call it at once."""

    @tf.function(autograph=False)
    def reduce(values: tf.Tensor) -> tf.Tensor:
        def on_replica(mine: tf.Tensor) -> tf.Tensor:
            context = tf.distribute.get_replica_context()
            # identity: an argument has no device yet, and a collective needs one
            return context.all_reduce(tf.distribute.ReduceOp.SUM, tf.identity(mine))

        return strategy.experimental_local_results(strategy.run(on_replica, (values,)))[0]

    return lambda values: np.asarray(reduce(tf.constant(values)).numpy())


def _as_input(images: tf.Tensor) -> tf.Tensor:
    """``(n, 48, 48)`` uint8 as the network's ``(n, 48, 48, 1)`` float32."""
    return tf.cast(images, tf.float32)[..., None]
