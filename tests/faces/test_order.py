"""fer_ray.faces.order: the same global batches, whoever asks for them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_ray.faces import order


@given(step=st.integers(0, 2**40), world=st.integers(1, 9), batch_size=st.integers(9, 300))
def test_shards_of_all_ranks_are_the_global_batch(step: int, world: int, batch_size: int) -> None:
    shards = [order.shard(step, rank, world, batch_size) for rank in range(world)]
    np.testing.assert_array_equal(
        np.concatenate(shards), np.arange(step * batch_size, (step + 1) * batch_size)
    )
    sizes = [len(shard) for shard in shards]
    assert max(sizes) - min(sizes) <= 1


@given(count=st.integers(1, 3_000), window=st.integers(1, 4_000), epoch=st.integers(0, 50))
def test_every_face_comes_once_an_epoch(count: int, window: int, epoch: int) -> None:
    positions = np.arange(epoch * count, (epoch + 1) * count)
    numbers = order.numbers_at(positions, count, window, seed=3)
    np.testing.assert_array_equal(np.sort(numbers), np.arange(count))


@given(
    picks=st.lists(st.integers(0, 9_999), min_size=1, max_size=60),
    window=st.sampled_from([64, 700, 5_000]),
)
def test_a_position_has_one_face_whatever_is_asked_beside_it(picks: list[int], window: int) -> None:
    alone = [order.numbers_at(np.array([p]), 2_500, window, seed=0)[0] for p in picks]
    np.testing.assert_array_equal(order.numbers_at(np.array(picks), 2_500, window, 0), alone)


def test_epochs_and_seeds_differ() -> None:
    epochs = order.numbers_at(np.arange(2_000), 1_000, 1_000, seed=0).reshape(2, -1)
    other = order.numbers_at(np.arange(1_000), 1_000, 1_000, seed=1)
    assert (epochs[0] != epochs[1]).mean() > 0.99
    assert (epochs[0] != other).mean() > 0.99


def test_a_window_bounds_the_faces_that_a_stretch_of_positions_touches() -> None:
    count, window = 100_000, 6_400
    touched = order.numbers_at(np.arange(window), count, window, seed=0)
    chunk = window // order.CHUNKS_PER_WINDOW
    assert len(np.unique(touched // chunk)) <= order.CHUNKS_PER_WINDOW + 1
    assert np.ptp(touched) > count // 2  # yet they come from all over the data


@given(epochs=st.integers(1, 40), count=st.integers(1, 500), batch_size=st.integers(1, 600))
def test_the_last_step_is_the_first_that_reaches_the_last_face(
    epochs: int, count: int, batch_size: int
) -> None:
    steps = order.steps_through(epochs, count, batch_size)
    assert steps * batch_size >= epochs * count > (steps - 1) * batch_size


@pytest.mark.parametrize(
    ("window", "first"),
    [
        (10, [16, 19, 3, 2, 13, 10, 8, 11, 6, 4, 15, 9]),
        (1_000, [4, 19, 6, 2, 13, 16, 3, 11, 10, 8, 0, 12]),
    ],
)
def test_the_order_is_what_it_was_when_earlier_runs_were_made(
    window: int, first: list[int]
) -> None:
    assert order.numbers_at(np.arange(12), 20, window, seed=0).tolist() == first
