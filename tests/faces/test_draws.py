"""fer_ray.faces.augment: the draws of each position, and the erasing and mixup made of them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_ray.faces import augment as room
from fer_ray.faces.augment import DRAWS, erase, mixup_weights, noise, uniforms
from tests.parquet_faces import noise as noisy


class TestUniforms:
    @given(
        start=st.integers(0, 2**62),
        length=st.integers(0, 6),
        seed=st.integers(0, 2**31 - 1),
        count=st.sampled_from([4, 16, 64]),
    )
    def test_a_run_equals_its_positions_one_by_one(
        self, start: int, length: int, seed: int, count: int
    ) -> None:
        run = np.arange(start, start + length, dtype=np.int64)
        together = uniforms(seed, run, count)
        assert together.shape == (length, count)
        for row, position in zip(together, run, strict=True):
            np.testing.assert_array_equal(row, uniforms(seed, np.array([position]), count)[0])

    @given(places=st.lists(st.integers(0, 2**62), max_size=8), seed=st.integers(0, 2**31 - 1))
    def test_order_and_repetition_do_not_matter(self, places: list[int], seed: int) -> None:
        positions = np.array(places, np.int64)
        np.testing.assert_array_equal(
            uniforms(seed, positions[::-1], DRAWS), uniforms(seed, positions, DRAWS)[::-1]
        )

    @given(
        a=st.tuples(st.integers(0, 99), st.integers(0, 2**62)),
        b=st.tuples(st.integers(0, 99), st.integers(0, 2**62)),
    )
    def test_seeds_and_positions_differ(self, a: tuple[int, int], b: tuple[int, int]) -> None:
        row_a, row_b = (uniforms(seed, np.array([place]), DRAWS)[0] for seed, place in (a, b))
        assert np.intersect1d(row_a, row_b).size == (DRAWS if a == b else 0)

    @pytest.mark.parametrize("runs_as", [np.arange(4096), np.arange(4096)[::-1] * 12_345])
    def test_they_are_uniform(self, runs_as: np.ndarray) -> None:
        drawn = np.sort(uniforms(3, runs_as, DRAWS).ravel())
        assert np.abs(drawn - np.linspace(0, 1, drawn.size)).max() < 0.01  # 2.5 times the 1% point

    def test_a_position_owns_whole_steps_of_the_counter(self) -> None:
        with pytest.raises(ValueError, match="count must be a multiple of 4, got 6"):
            uniforms(0, np.arange(2), 6)


class TestErasing:
    def test_as_often_as_asked(self) -> None:
        faces, draws = noisy(4_000), uniforms(1, np.arange(4_000), DRAWS)
        changed = (erase(faces, draws, 0.25) != faces).any(axis=(1, 2))
        assert changed.mean() == pytest.approx(0.25, abs=0.03)
        assert (erase(faces, draws, 1) != faces).any(axis=(1, 2)).all()

    def test_a_rectangle_of_the_published_shape_becomes_noise(self) -> None:
        count = 2_000
        grey = np.full((count, 48, 48), 256 // 2, np.uint8)
        erased = erase(grey, uniforms(2, np.arange(count), DRAWS), 1)
        heights, widths, pixels = [], [], []
        for changed, face in zip(erased != grey, erased, strict=True):
            rows, columns = np.flatnonzero(changed.any(1)), np.flatnonzero(changed.any(0))
            inside = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
            assert changed[inside].mean() > 0.9  # noise itself may be 128
            heights.append(len(rows))
            widths.append(len(columns))
            pixels.append(face[inside].ravel())
        area = np.array(heights) * np.array(widths) / 48**2
        assert 0.013 < area.min() < area.max() <= 0.2  # sides are whole pixels, rounded down
        assert area.mean() == pytest.approx(0.11, abs=0.01)
        assert np.median(np.array(heights) / widths) == pytest.approx(1, abs=0.1)
        levels = np.bincount(np.concatenate(pixels), minlength=256) / sum(map(len, pixels))
        np.testing.assert_allclose(levels, 1 / 256, rtol=0.1)
        assert (erased != grey).any(axis=0).mean() > 0.99  # no place is out of reach

    def test_noise_is_its_keys_own(self) -> None:
        keys = uniforms(0, np.arange(8), 4)[:, 0]
        np.testing.assert_array_equal(noise(keys[3:5], 100), noise(keys, 100)[3:5])
        np.testing.assert_array_equal(noise(keys, 9), noise(keys, 460)[:, :9])
        alike = (noise(keys, 460)[:, None] == noise(keys, 460)[None]).mean(axis=2)
        assert alike[~np.eye(8, dtype=bool)].max() < 0.03


class TestMixup:
    @pytest.mark.parametrize("alpha", [0.1, 0.2, 1.0, 5.0])
    def test_shares_are_beta_distributed(self, alpha: float) -> None:
        shares = mixup_weights(np.linspace(0.0005, 0.9995, 1_000), alpha)
        assert ((shares >= 0) & (shares <= 1)).all()
        assert shares.mean() == pytest.approx(0.5, abs=1e-6)
        assert shares.var() == pytest.approx(0.25 / (2 * alpha + 1), rel=0.01)

    def test_extreme_draws_stay_shares(self) -> None:
        shares = mixup_weights(np.array([0, np.nextafter(1, 0)]), 0.2)
        np.testing.assert_allclose(shares, [0, 1], atol=1e-12)

    def test_alpha_0_blends_nothing(self) -> None:
        np.testing.assert_array_equal(mixup_weights(np.array([0, 0.4]), 0), [1, 1])

    def test_weight_and_partner_have_draws_of_their_own(self) -> None:
        assert {room.MIXUP_WEIGHT, room.MIXUP_PARTNER} == {DRAWS - 2, DRAWS - 1}
