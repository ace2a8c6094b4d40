"""fer_ray.faces.formats on Parquet: images, labels, usages and votes as others store them."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ray.data.extensions import ArrowTensorArray

from fer_ray.config import DataConfig
from fer_ray.faces.columns import parquet_columns
from fer_ray.faces.formats import RAW_SCHEMA, check_bytes, parquet_rows
from fer_ray.faces.rows import images_of
from tests.encoded import encoded, pixels
from tests.faces.raw_rows import DATA, FACES, only_reason


def from_parquet(table: pa.Table, usage: str = "", data: DataConfig = DATA) -> pa.Table:
    sources = [f"f.parquet:{n}" for n in range(len(table))]
    rows = parquet_rows(table, parquet_columns(table.schema), sources, usage, data)
    assert rows.schema == RAW_SCHEMA
    return rows


def hugging_face_images() -> pa.Array:
    return pa.array([{"bytes": encoded(face), "path": None} for face in FACES])


@pytest.mark.parametrize(
    "images",
    [
        pa.array([encoded(face) for face in FACES]),
        pa.array([encoded(face) for face in FACES], pa.large_binary()),
        pa.array([face.tobytes() for face in FACES]),
        pa.array([face.tobytes() for face in FACES], pa.binary(2304)),
        pa.array([face.ravel().tolist() for face in FACES], pa.list_(pa.uint8())),
        pa.array([face.ravel().tolist() for face in FACES], pa.large_list(pa.int64())),
        pa.array([face.ravel().tolist() for face in FACES], pa.list_(pa.float64(), 2304)),
        pa.array([face.tolist() for face in FACES]),
        pa.array([face.tolist() for face in FACES], pa.large_list(pa.large_list(pa.int64()))),
        pa.array([face.tolist() for face in FACES], pa.list_(pa.large_list(pa.uint8()), 48)),
        pa.FixedShapeTensorArray.from_numpy_ndarray(FACES),
        ArrowTensorArray.from_numpy(FACES),
        pa.array([pixels(face) for face in FACES]),
        pa.array([pixels(face) for face in FACES]).dictionary_encode(),
        hugging_face_images(),
    ],
    ids=lambda images: str(images.type)[:40],
)
def test_parquet_holds_images_in_many_ways(images: pa.Array) -> None:
    rows = from_parquet(pa.table({"image": images, "label": [0, 3, 6]}), usage="Training")
    np.testing.assert_array_equal(images_of(rows["image"]), FACES)
    assert rows["label"].to_pylist() == [0, 3, 6]
    assert rows["usage"].to_pylist() == ["Training"] * 3
    assert rows["source"].to_pylist() == ["f.parquet:0", "f.parquet:1", "f.parquet:2"]


@pytest.mark.parametrize(
    "labels",
    [
        pa.array([0, 3, 6], pa.uint8()),
        pa.array([0.0, 3.0, 6.0]),
        pa.array(["0", "3", "6"]),
        pa.array(["Angry", "happy", "neutral"]),
        pa.array(["Angry", "happy", "neutral"]).dictionary_encode(),
    ],
    ids=lambda labels: str(labels.type)[:40],
)
def test_parquet_holds_labels_in_many_ways(labels: pa.Array) -> None:
    images = pa.array([encoded(face) for face in FACES])
    rows = from_parquet(pa.table({"class": labels, "image": images}))
    assert rows["label"].to_pylist() == [0, 3, 6]


def test_hugging_faces_numbers_count_through_its_own_classes() -> None:
    told = '{"info": {"features": {"label": {"names": ["angry", "happy", "sad"]}}}}'
    table = pa.table({"image": hugging_face_images(), "label": [1, 2, 3]})
    rows = from_parquet(table.replace_schema_metadata({"huggingface": told}))
    assert rows["label"].to_pylist() == [3, 4, None]
    assert rows["reason"].to_pylist()[2] == "a label must be 0 to 2, got 3"


@pytest.mark.parametrize(
    ("column", "values"), [("votes", ["up", "down", "up"]), ("origin", ["web", None, "film"])]
)
def test_a_column_that_happens_to_have_a_name_of_ours_refuses_nothing(
    column: str, values: list[str | None]
) -> None:
    table = pa.table(
        {"image": [encoded(face) for face in FACES], "label": [0, 3, 6], column: values}
    )
    assert from_parquet(table, usage="Training")["reason"].to_pylist() == [None] * 3


def test_tensors_stored_column_by_column_are_refused() -> None:
    kind = pa.fixed_shape_tensor(pa.uint8(), (48, 48), permutation=[1, 0])
    flat = pa.array([face.T.ravel().tolist() for face in FACES], kind.storage_type)
    table = pa.table({"image": pa.ExtensionArray.from_storage(kind, flat), "label": [0, 3, 6]})
    with pytest.raises(ValueError, match=r"'image' must be stored row by row, got .*\[1, 0\]"):
        from_parquet(table)


def test_parquets_own_usage_and_votes_are_kept() -> None:
    votes = pa.array([[1, 2, 3, 4, 0, 0, 0, 0, 0, 0], None, list(range(10))], pa.list_(pa.uint8()))
    table = pa.table(
        {
            "image": [encoded(face) for face in FACES],
            "emotion": [0, 3, 6],
            "usage": ["Training", "PublicTest", "PrivateTest"],
            "ferplus_votes": votes,
        }
    )
    rows = from_parquet(table, usage="Training")
    assert rows["usage"].to_pylist() == ["Training", "PublicTest", "PrivateTest"]
    assert rows["votes"].to_pylist() == votes.to_pylist()


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("image", None, "an image must be bytes, pixels or text, got None"),
        ("image", b"", "must not be empty"),
        ("image", b"no image", "must be PNG or JPEG"),
        ("image", "7 7", "a face must have 2304 pixels, got 2"),
        ("image", [7] * 2305, "a face must have 2304 pixels, got 2305"),
        ("image", [7] * 2303 + [300], "a whole number from 0 to 255, got 300"),
        ("image", [7.0] * 2303 + [0.5], "a whole number from 0 to 255, got 0.5"),
        ("image", [7] * 2303 + [None], "a whole number from 0 to 255, got nan"),
        ("image", ["7"] * 2304, "a whole number from 0 to 255, got object values"),
        ("image", ["7", b"\x80"], "a face must have 2304 pixels, got 2"),
        ("image", ["7", b"\x80"] * 1152, "a whole number from 0 to 255, got object values"),
        ("image", [{"a": b"\x80"}] * 2304, "a whole number from 0 to 255, got object values"),
        ("votes", ["7", b"\x80"] * 5, "a vote must be a whole number from 0 to 255"),
        ("image", [{"a": 7}] * 2304, "a whole number from 0 to 255, got object values"),
        ("image", {"path": "a.png"}, "an image must be bytes, pixels or text, got None"),
        ("image", 7, "an image must be bytes, pixels or text, got 7"),
        ("label", None, "an emotion must be one of"),
        ("label", 7, "an emotion must be one of"),
        ("label", -1, "an emotion must be one of"),
        ("label", 2.5, "an emotion must be one of"),
        ("label", float("nan"), "an emotion must be one of"),
        ("label", [3], "an emotion must be one of"),
        ("usage", None, "usage must be one of"),
        ("usage", "Holdout", "usage must be one of Training, PublicTest, PrivateTest, got"),
        ("votes", [1, 2], "votes must be a list of ten counts, got 2"),
        ("votes", [300] * 10, "a vote must be a whole number from 0 to 255"),
        ("origin", "smote", "a face must be real, got one made by smote"),
    ],
)
def test_a_bad_parquet_row_stays_with_its_reason(column: str, value: object, reason: str) -> None:
    row = {"image": encoded(FACES[0]), "label": 3, "usage": "Training", "votes": None} | {
        column: value
    }
    assert reason in only_reason(from_parquet(pa.Table.from_pylist([row])).to_pylist())


VALUES = st.recursive(
    st.none() | st.binary() | st.text() | st.integers(0, 2**40) | st.floats() | st.dates(),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=4,
)


@given(image=VALUES, label=VALUES, usage=VALUES, votes=VALUES)
def test_no_parquet_value_crashes_it_and_none_is_lost(**values: object) -> None:
    try:
        table = pa.Table.from_pylist([values])
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return  # lists of mixed kinds are no Arrow at all
    assert from_parquet(table)["reason"].null_count == 0


def test_an_image_over_the_stated_bytes_is_refused() -> None:
    small = DataConfig(max_image_bytes=100)
    table = pa.table({"image": [encoded(FACES[0])], "label": [3]})
    reason = only_reason(from_parquet(table, data=small).to_pylist())
    assert reason.startswith("an image must have at most 100 bytes (data.max_image_bytes), got")
    check_bytes(100, small)
    with pytest.raises(ValueError, match="at most 100 bytes"):
        check_bytes(101, small)
