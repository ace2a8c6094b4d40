"""fer_ray.cluster.stream on a real Ray cluster: the same global batches, whoever takes them."""

import time
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pytest
import ray
import ray.data

from fer_ray.cluster.stream import (
    LOOP_S,
    READY_LOOP_S,
    Faces,
    Plan,
    Start,
    Unhurried,
    checks,
    faces_at,
    of_rank,
)
from fer_ray.config import AugmentConfig
from fer_ray.faces import demo, order, rows
from tests.cluster.streams import streams_going
from tests.drill.runs import wait_for

pytestmark = pytest.mark.usefixtures("ray_cluster")

LIGHT = AugmentConfig(rotation=10, width_shift=0.1, horizontal_flip=True, erasing=0.5)
MIXED = LIGHT.model_copy(update={"mixup": 0.4})
STEPS = 9


@pytest.fixture(scope="module")
def faces() -> Faces:
    return blocks_of([70, 1, 129])


def blocks_of(sizes: list[int]) -> Faces:
    """The first demo faces in blocks of these sizes."""
    starts = np.cumsum([0, *sizes[:-1]])

    @ray.remote
    def block(start: int, size: int) -> pa.Table:
        images, labels = demo.draw(start, size, 0)
        return rows.face_table(images, labels, [str(start + i) for i in range(size)])

    drawn = [block.remote(int(a), n) for a, n in zip(starts, sizes, strict=True)]
    return Faces(drawn, sizes)


def plan(augment: AugmentConfig = LIGHT, window: int = 10_000) -> Plan:
    return Plan(batch_size=48, window=window, seed=7, augment=augment)


def global_batches(
    faces: Faces, settings: Plan, world: int, start: int = 0
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Step, faces and targets of each global batch, as the workers' iterators give them."""
    parts = []
    for rank in range(world):
        size = len(order.shard(0, rank, world, settings.batch_size))
        stream = of_rank(faces, settings, Start(start, 3), STEPS, rank, world)
        batches = stream.iter_batches(batch_size=size, batch_format="pyarrow")
        parts.append([_arrays(batch) for batch in batches])
    for same_step in zip(*parts, strict=True):
        (step,) = {step for step, _, _ in same_step}
        yield step, *(np.concatenate([part[i] for part in same_step]) for i in (1, 2))


def _arrays(batch: pa.Table) -> tuple[int, np.ndarray, np.ndarray]:
    (step,) = set(batch["step"].to_pylist())
    targets = batch["target"].combine_chunks().flatten().to_numpy().reshape(-1, 7)
    return step, rows.images_of(batch["image"]), targets


Alone = dict[str, list[tuple[int, np.ndarray, np.ndarray]]]
AUGMENTS = {"light": LIGHT, "mixup": MIXED}


@pytest.fixture(scope="module")
def alone(faces: Faces) -> Alone:
    """The global batches of a single worker, by name of ``AUGMENTS``."""
    return {
        name: list(global_batches(faces, plan(augment), 1)) for name, augment in AUGMENTS.items()
    }


@pytest.mark.parametrize(("world", "augment"), [(2, "light"), (5, "mixup")])
def test_any_number_of_workers_gets_the_same_global_batches(
    faces: Faces, alone: Alone, augment: str, world: int
) -> None:
    one, several = alone[augment], global_batches(faces, plan(AUGMENTS[augment]), world)
    assert [step for step, _, _ in one] == list(range(STEPS))
    for ours, theirs in zip(several, one, strict=True):
        for mine, other in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(mine, other)


def test_a_restart_with_other_workers_and_blocks_gets_the_tail(alone: Alone) -> None:
    whole = alone["light"]
    tail = list(global_batches(blocks_of([200]), plan(), 3, start=4))
    assert len(tail) == STEPS - 4
    for ours, theirs in zip(tail, whole[4:], strict=True):
        for mine, other in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(mine, other)


def test_a_stream_that_starts_at_its_end_is_empty(faces: Faces) -> None:
    assert list(global_batches(faces, plan(), 2, start=STEPS)) == []


@pytest.mark.parametrize("window", [40, 10_000])
def test_an_epoch_shows_every_face_once_with_its_own_label(faces: Faces, window: int) -> None:
    still = plan(AugmentConfig(), window)
    images, targets = faces_at(faces, still, np.arange(faces.count))
    known = dict(zip(*_ids_and_labels(faces), strict=True))
    seen = rows.face_ids(images)
    assert sorted(seen) == sorted(known)
    assert [known[i] for i in seen] == targets.argmax(1).tolist()


def _ids_and_labels(faces: Faces) -> tuple[list[str], list[int]]:
    images, labels = faces.take(np.arange(faces.count))
    return rows.face_ids(images), labels.tolist()


def test_a_check_is_of_a_rows_position_face_and_target() -> None:
    positions = np.array([3, 4])
    images, _ = demo.draw(0, 2, 0)
    targets = np.eye(7, dtype=np.float32)[[0, 1]]
    given = checks(positions, images, targets)
    assert given[:1] == checks(positions[:1], images[:1], targets[:1])
    brighter, softer = images.copy(), targets.copy()
    brighter[1, 47, 47] ^= 1
    softer[1, 6] = 1e-6
    for other in (
        checks(np.array([3, 5]), images, targets),
        checks(positions, brighter, targets),
        checks(positions, images, softer),
    ):
        assert (other == given).tolist() == [True, False]


def test_a_face_is_augmented_afresh_in_each_epoch(faces: Faces) -> None:
    images, _ = faces_at(faces, plan(), np.arange(2 * faces.count))
    first, second = (set(rows.face_ids(epoch)) for epoch in np.split(images, 2))
    assert len(first & second) < faces.count // 50


def test_mixup_blends_two_faces_and_their_targets_by_the_same_weight(faces: Faces) -> None:
    images, targets = faces_at(faces, plan(AugmentConfig(mixup=1.0)), np.arange(48))
    pure, one_hot = faces_at(faces, plan(AugmentConfig()), np.arange(48))
    np.testing.assert_allclose(targets.sum(1), 1, atol=1e-6)
    blended = (targets.max(1) < 0.999).nonzero()[0]
    assert len(blended) > len(targets) // 3
    for i in blended:
        share = targets[i] @ one_hot[i]
        apart = [
            np.abs(share * pure[i] + (1 - share) * pure[j] - images[i]).max()
            for j in range(len(pure))
        ]
        assert min(apart) <= 0.51  # rounded to whole grey levels


def test_a_stream_draws_no_progress_bars_whatever_else_does(
    faces: Faces, monkeypatch: pytest.MonkeyPatch
) -> None:
    everywhere = ray.data.DataContext.get_current()
    monkeypatch.setattr(everywhere, "enable_progress_bars", True)
    assert not of_rank(faces, plan(), Start(0, 1), STEPS, 0, 1).context.enable_progress_bars
    assert everywhere.enable_progress_bars


def test_a_stream_that_is_left_early_ends_with_its_tasks(faces: Faces) -> None:
    stream = of_rank(faces, plan(), Start(0, 1), 100_000, 0, 1)
    batches = iter(stream.iter_batches(batch_size=48, batch_format="pyarrow"))
    next(batches)
    while _all_cpus_are_free():
        next(batches)
    assert streams_going() == 1
    del batches
    assert streams_going() == 0
    wait_for(_all_cpus_are_free, "the CPUs of a stream that was left")


def _all_cpus_are_free() -> bool:
    return ray.available_resources().get("CPU") == ray.cluster_resources()["CPU"]


class Watched(Unhurried):
    """Keeps of each turn of Ray Data's loop whether a block lay ready, and how long it paused."""

    turns: ClassVar[list[tuple[bool, float]]] = []

    def on_execution_step(self, executor: Any) -> None:
        ready = len(executor._output_node[1].output_queue) > 0
        began = time.monotonic()
        super().on_execution_step(executor)
        self.turns.append((ready, time.monotonic() - began))


def test_ray_datas_loop_turns_four_times_as_often_while_a_worker_waits() -> None:
    """A loop in this process, so that it can be watched; a turn costs a worker 3 ms of a core."""

    def slow(batch: pa.Table) -> pa.Table:
        time.sleep(1)
        return batch

    stream = ray.data.range(4, override_num_blocks=4).map_batches(slow, batch_format="pyarrow")
    stream.context.custom_execution_callback_classes = [Watched]
    batches = iter(stream.iter_batches(batch_size=1, prefetch_batches=0))
    taken = [next(batches)]
    wait_for(lambda: any(ready for ready, _ in Watched.turns), "a block that lies ready")
    taken += batches
    assert sorted(int(batch["id"][0]) for batch in taken) == [0, 1, 2, 3]
    idle = [pause for ready, pause in Watched.turns if not ready]
    assert min(idle) >= LOOP_S
    assert min(idle) < READY_LOOP_S
    assert min(pause for ready, pause in Watched.turns if ready) >= READY_LOOP_S
    assert READY_LOOP_S == 4 * LOOP_S
