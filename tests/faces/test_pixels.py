"""fer_ray.faces.pixels: numbers and text are a face exactly, or not at all."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from fer_ray.faces.pixels import as_bytes, face_of_numbers, face_of_text, numbers_of
from tests.encoded import pixels

FACES = arrays.arrays(np.uint8, (48, 48))


@given(face=FACES)
def test_text_of_pixels_is_the_face(face: np.ndarray) -> None:
    np.testing.assert_array_equal(face_of_text(pixels(face)), face)


@given(face=FACES, kind=st.sampled_from([np.int8, np.int64, np.uint16, np.float32]))
def test_numbers_of_any_type_are_the_face(face: np.ndarray, kind: type) -> None:
    same = face.clip(max=100)
    read = face_of_numbers(same.ravel().astype(kind))
    np.testing.assert_array_equal(read, same)
    assert read.dtype == np.uint8


@pytest.mark.parametrize("count", [0, 1, 2303, 2305])
def test_another_count_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match=f"a face must have 2304 pixels, got {count}"):
        face_of_text("7 " * count)


@pytest.mark.parametrize(
    "word", ["256", "-1", "x", "1_0", "+7", "7.5", "٣", "1e2", "0x1", "99999999"]
)
def test_a_word_that_is_no_pixel_is_refused_by_name(word: str) -> None:
    with pytest.raises(ValueError, match=r"a whole number from 0 to 255, got '") as told:
        face_of_text(f"{word} " + "7 " * 2303)
    assert repr(word) in str(told.value)


@pytest.mark.parametrize("value", [256.0, -1.0, 0.5, np.nan, np.inf, -np.inf])
def test_a_number_that_is_no_pixel_is_refused(value: float) -> None:
    numbers = np.zeros(2304)
    numbers[100] = value
    with pytest.raises(ValueError, match="a pixel must be a whole number from 0 to 255, got"):
        face_of_numbers(numbers)


@pytest.mark.parametrize("values", [["a"], [True], [None]])
def test_values_that_are_no_numbers_are_refused(values: list[object]) -> None:
    with pytest.raises(ValueError, match=r"a vote must be a whole number .* got .* values"):
        as_bytes(np.array(values), "a vote")


def test_nested_lists_are_read_row_by_row() -> None:
    rows = pa.array([[[1, 2], [3, 4]], [[5, 6], [7, 8]]])
    assert numbers_of(rows[1]).tolist() == [5, 6, 7, 8]


def test_a_gap_in_a_list_is_no_number() -> None:
    assert np.isnan(numbers_of(pa.array([[1, None]])[0])[1])


@given(text=st.text(max_size=200))
def test_no_text_crashes_it(text: str) -> None:
    with pytest.raises(ValueError, match="must"):
        face_of_text(text)
