"""fer_ray.runs.arrays: bit for bit there and back, the same bytes each time, no code in them."""

import io
import os
import zipfile
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fer_ray.runs import arrays

any_array = hnp.arrays(
    st.sampled_from([np.float32, np.float64, np.uint8, np.int64, np.bool_]),
    hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4),
)
names = st.text("abcdefghijklmnopqrstuvwxyz0123456789_/.:", min_size=1, max_size=20)


@given(st.dictionaries(names, any_array, max_size=5))
def test_arrays_come_back_bit_for_bit(given_arrays: dict[str, np.ndarray]) -> None:
    back = arrays.unpack(arrays.pack(given_arrays))
    assert set(back) == set(given_arrays)
    for name, array in given_arrays.items():
        assert (back[name].dtype, back[name].shape) == (array.dtype, array.shape)
        assert back[name].tobytes() == array.tobytes()  # NaN and -0.0 too


@given(st.dictionaries(names, any_array, max_size=5))
def test_equal_arrays_pack_to_equal_bytes_in_any_order_and_layout(
    given_arrays: dict[str, np.ndarray],
) -> None:
    shuffled = {name: np.asfortranarray(given_arrays[name]) for name in reversed(given_arrays)}
    shuffled = {name: array.reshape(given_arrays[name].shape) for name, array in shuffled.items()}
    assert arrays.pack(shuffled) == arrays.pack(given_arrays)


def test_packing_knows_no_clock() -> None:
    packed = arrays.pack({"a": np.arange(3)})
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        assert [info.date_time for info in archive.infolist()] == [(1980, 1, 1, 0, 0, 0)]


@pytest.mark.parametrize(
    ("array", "dtype"),
    [
        (np.array([print], dtype=object), "object"),
        (np.zeros(2, ml_dtypes.bfloat16), "bfloat16"),
        (np.array(["a"]), "<U1"),
    ],
)
def test_what_an_npz_would_pickle_or_forget_is_refused(array: np.ndarray, dtype: str) -> None:
    with pytest.raises(ValueError, match=f"^array w must hold numbers or booleans, got {dtype}$"):
        arrays.pack({"w": array})


def test_unpacking_runs_no_code(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (f"{tmp_path}/exploded",)

    np.savez(tmp_path / "bomb.npz", w=np.array([Bomb()], dtype=object))
    with pytest.raises(ValueError, match="must hold numbers row by row, got object"):
        arrays.unpack((tmp_path / "bomb.npz").read_bytes())
    assert not (tmp_path / "exploded").exists()
