"""fer_ray.faces.augment: the paper's Table 2 as Keras does it, each face by its own draws alone."""

from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras.src.legacy.preprocessing.image import ImageDataGenerator

from fer_ray.config import AugmentConfig
from fer_ray.faces.augment import DRAWS, augment, draw_warp, uniforms
from tests.parquet_faces import noise as noisy

REAL_FACES = Path(__file__).resolve().parents[3] / "shared" / "data" / "fer2013" / "faces.parquet"
TABLE_2 = AugmentConfig(
    rotation=30,
    width_shift=0.2,
    height_shift=0.2,
    shear=0.2,
    zoom=0.2,
    horizontal_flip=True,
    vertical_flip=True,
)
WIDE = TABLE_2.model_copy(update={"rotation": 180, "shear": 40, "zoom": 0.5})
EVERYTHING = TABLE_2.model_copy(update={"erasing": 0.5})


def smooth(count: int) -> np.ndarray:
    """``(count, 48, 48)`` uint8 of soft blobs from black to white."""
    soft = [cv2.GaussianBlur(image, (0, 0), 3).astype(float) for image in noisy(count, seed=1)]
    return np.stack(
        [np.rint(255 * (image - image.min()) / np.ptp(image)).astype(np.uint8) for image in soft]
    )


def off_keras(images: np.ndarray, ranges: AugmentConfig, seed: int = 0) -> np.ndarray:
    """``(n,)``: how many grey levels a face is from ``apply_transform``'s, on average."""
    draws = uniforms(seed, np.arange(len(images)), DRAWS)
    warp = draw_warp(draws, ranges)
    keras = ImageDataGenerator(fill_mode="nearest")
    theirs = [
        keras.apply_transform(
            image[..., None].astype(np.float32),
            {name: values[i] for name, values in warp._asdict().items()},
        )[..., 0]
        for i, image in enumerate(images)
    ]
    return np.abs(np.stack(theirs) - augment(images, draws, ranges)).mean(axis=(1, 2))


@pytest.mark.filterwarnings("ignore:.*scipy.ndimage.interpolation:DeprecationWarning")
class TestAgreementWithKeras:
    @pytest.mark.parametrize("ranges", [TABLE_2, WIDE])
    def test_smooth_images_agree_to_a_grey_level(self, ranges: AugmentConfig) -> None:
        assert off_keras(smooth(200), ranges).max() <= 1

    @pytest.mark.parametrize(
        "alone",
        [
            {"rotation": 180},
            {"width_shift": 0.4},
            {"height_shift": 0.4},
            {"shear": 60},
            {"zoom": 0.6},
            {"horizontal_flip": True},
            {"vertical_flip": True},
        ],
        ids=lambda alone: next(iter(alone)),
    )
    def test_each_transform_agrees_alone(self, alone: dict[str, float]) -> None:
        assert off_keras(smooth(20), AugmentConfig(**alone)).max() <= 1

    @pytest.mark.skipif(not REAL_FACES.exists(), reason="the shared FER2013 faces are not here")
    def test_real_faces_agree_to_three_grey_levels(self) -> None:
        stored = next(pq.ParquetFile(REAL_FACES).iter_batches(400, columns=["image"]))
        faces = np.stack(
            [
                cv2.imdecode(np.frombuffer(png.as_py(), np.uint8), cv2.IMREAD_GRAYSCALE)
                for png in stored["image"]
            ]
        )
        assert off_keras(faces, TABLE_2).max() <= 3
        assert off_keras(faces, WIDE).max() <= 3


def test_draws_fill_the_ranges_of_image_data_generator() -> None:
    warp = draw_warp(uniforms(0, np.arange(20_000), DRAWS), TABLE_2)
    for values, middle, reach in [
        (warp.theta, 0, 30),
        (warp.tx, 0, 0.2 * 48),
        (warp.ty, 0, 0.2 * 48),
        (warp.shear, 0, 0.2),
        (warp.zx, 1, 0.2),
        (warp.zy, 1, 0.2),
    ]:
        assert np.abs(values - middle).max() <= reach
        low, mean, high = values.min(), values.mean(), values.max()
        np.testing.assert_allclose(
            [low, mean, high], [middle - reach, middle, middle + reach], atol=0.02 * reach
        )
    assert warp.flip_horizontal.mean() == pytest.approx(0.5, abs=0.02)
    assert warp.flip_vertical.mean() == pytest.approx(0.5, abs=0.02)
    assert np.abs(np.corrcoef(np.stack(warp).astype(float)) - np.eye(8)).max() < 0.04


@pytest.mark.parametrize(
    ("ranges", "along"),
    [(AugmentConfig(width_shift=0.4), 1), (AugmentConfig(height_shift=0.4), 0)],
    ids=["width", "height"],
)
def test_width_shift_moves_sideways_and_height_shift_up_and_down(
    ranges: AugmentConfig, along: int
) -> None:
    draws = uniforms(0, np.arange(8), DRAWS)
    ramp = np.broadcast_to(np.arange(0, 240, 5, dtype=np.uint8), (8, 48, 48))
    ramps = [ramp.swapaxes(1, 2), ramp]  # brighter downward, brighter to the right
    np.testing.assert_array_equal(augment(ramps[1 - along], draws, ranges), ramps[1 - along])
    assert (augment(ramps[along], draws, ranges) != ramps[along]).any(axis=(1, 2)).all()


def test_nothing_on_changes_nothing() -> None:
    faces = noisy(50)
    same = augment(faces, uniforms(0, np.arange(50), DRAWS), AugmentConfig())
    assert same.tobytes() == faces.tobytes()
    assert not np.shares_memory(same, faces)


@pytest.mark.parametrize(("flip", "axis"), [("horizontal_flip", 2), ("vertical_flip", 1)])
def test_a_flip_alone_moves_pixels_and_blurs_none(flip: str, axis: int) -> None:
    faces = noisy(50)
    flipped = augment(faces, uniforms(0, np.arange(50), DRAWS), AugmentConfig(**{flip: True}))
    turned = (flipped == np.flip(faces, axis)).all(axis=(1, 2))
    kept = (flipped == faces).all(axis=(1, 2))
    assert (turned ^ kept).all()
    assert 10 < turned.sum() < 40


@given(
    places=st.lists(st.integers(0, 2**62), min_size=1, max_size=12),
    seed=st.integers(0, 2**31 - 1),
    order=st.randoms(use_true_random=False),
)
@settings(deadline=None)
def test_a_face_depends_on_its_own_draws_alone(places: list[int], seed: int, order: object) -> None:
    positions = np.array(places, np.int64)
    faces, draws = noisy(len(places)), uniforms(seed, positions, DRAWS)
    whole = augment(faces, draws, EVERYTHING)
    chosen = np.array(order.sample(range(len(places)), len(places) // 2 + 1))  # type: ignore[attr-defined]
    np.testing.assert_array_equal(augment(faces[chosen], draws[chosen], EVERYTHING), whole[chosen])


def test_augment_leaves_its_input_alone_and_reads_read_only_views() -> None:
    faces = noisy(20)
    before = faces.copy()
    faces.setflags(write=False)
    augment(faces, uniforms(0, np.arange(20), DRAWS), EVERYTHING)
    np.testing.assert_array_equal(faces, before)


def test_no_faces_are_no_trouble() -> None:
    assert augment(noisy(0), uniforms(0, np.arange(0), DRAWS), EVERYTHING).shape == (0, 48, 48)


def test_a_missing_row_of_draws_is_refused() -> None:
    with pytest.raises(ValueError, match=r"draws must be \(3, 16\), got \(2, 16\)"):
        augment(noisy(3), uniforms(0, np.arange(2), DRAWS), EVERYTHING)
