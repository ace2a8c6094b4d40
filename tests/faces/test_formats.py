"""fer_ray.faces.formats: each row becomes a face or a reason; none is lost, none repaired."""

import io
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from ray.data.extensions import ArrowTensorArray

from fer_ray.config import DataConfig
from fer_ray.faces.columns import csv_columns, parquet_columns
from fer_ray.faces.formats import (
    RAW_SCHEMA,
    check_bytes,
    csv_rows,
    image_face,
    parquet_rows,
)
from fer_ray.faces.rows import face_ids, images_of

HEADER = b"emotion,pixels,Usage"
FACES = np.random.default_rng(0).integers(256, size=(3, 48, 48), dtype=np.uint8)
DATA = DataConfig()


def pixels(face: np.ndarray) -> str:
    return " ".join(map(str, face.ravel()))


def png(face: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(face).save(stream, "PNG")
    return stream.getvalue()


def from_csv(*lines: str, header: bytes = HEADER) -> list[dict[str, Any]]:
    named = ((f"f.csv:{n}", line.encode()) for n, line in enumerate(lines, 2))
    table = csv_rows(named, csv_columns(header))
    assert table.schema == RAW_SCHEMA
    return list(table.to_pylist())


def from_parquet(table: pa.Table, usage: str = "", data: DataConfig = DATA) -> pa.Table:
    sources = [f"f.parquet:{n}" for n in range(len(table))]
    rows = parquet_rows(table, parquet_columns(table.schema), sources, usage, data)
    assert rows.schema == RAW_SCHEMA
    return rows


def only_reason(rows: list[dict[str, Any]]) -> str:
    (row,) = rows
    assert (row["id"], row["label"], row["image"]) == (None, None, None)
    return str(row["reason"])


def test_a_csv_row_becomes_a_face() -> None:
    (row,) = from_csv(f"3,{pixels(FACES[0])},PublicTest")
    assert row["reason"] is None
    assert row["id"] == face_ids(FACES[:1])[0]
    assert row["image"] == FACES[0].tobytes()
    assert (row["source"], row["label"], row["usage"]) == ("f.csv:2", 3, "PublicTest")
    assert (row["origin"], row["parents"], row["votes"]) == ("real", [], None)


@pytest.mark.parametrize(
    ("line", "header"),
    [
        ('3,"{}",Training\r', HEADER),
        ('"3","{}","Training"', HEADER),
        (" 3 , {} , training ", HEADER),
        ("happy,{},Training", HEADER),
        ("Training,{},3", b"Usage,pixels,emotion\r\n"),
        ('"a, b",3,{},Training', b"note,emotion,pixels,Usage"),
    ],
)
def test_quotes_blanks_line_ends_names_and_order_do_not_matter(line: str, header: bytes) -> None:
    (row,) = from_csv(line.format(pixels(FACES[0])), header=header)
    assert (row["label"], row["usage"], row["reason"]) == (3, "Training", None)
    assert row["image"] == FACES[0].tobytes()


def test_without_a_usage_column_usage_is_empty() -> None:
    (row,) = from_csv(f"3,{pixels(FACES[0])}", header=b"emotion,pixels")
    assert (row["usage"], row["reason"]) == ("", None)


def test_empty_lines_are_no_rows() -> None:
    assert from_csv("", "\r", "   ") == []


@pytest.mark.parametrize(
    ("label", "words", "usage", "reason"),
    [
        ("3", "7 " * 2303, "Training", "a face must have 2304 pixels, got 2303"),
        ("3", "7 " * 2305, "Training", "a face must have 2304 pixels, got 2305"),
        ("3", "", "Training", "a face must have 2304 pixels, got 0"),
        ("3", "256 " + "7 " * 2303, "Training", "0 to 255, got '256'"),
        ("3", "-1 " + "7 " * 2303, "Training", "0 to 255, got '-1'"),
        ("3", "x " + "7 " * 2303, "Training", "0 to 255, got 'x'"),
        ("7", "7 " * 2304, "Training", "an emotion must be one of"),
        ("", "7 " * 2304, "Training", "an emotion must be one of"),
        ("contempt", "7 " * 2304, "Training", "got 'contempt'"),
        ("3", "7 " * 2304, "Holdout", "usage must be one of Training, PublicTest, PrivateTest"),
        ("3", "7 " * 2304, "", "usage must be one of Training, PublicTest, PrivateTest"),
        ("3", "7 " * 2304, "Training,", "a row must have 3 fields, got 4"),
    ],
)
def test_a_bad_csv_row_stays_with_its_reason(
    label: str, words: str, usage: str, reason: str
) -> None:
    assert reason in only_reason(from_csv(f"{label},{words},{usage}"))


def test_a_bad_row_leaves_its_neighbours_alone() -> None:
    good = f"3,{pixels(FACES[0])},Training"
    rows = from_csv(good, '3,"7 7', good)
    assert [(row["source"], row["reason"] is None) for row in rows] == [
        ("f.csv:2", True),
        ("f.csv:4", True),
        ("f.csv:3", False),
    ]


def test_a_reason_is_short() -> None:
    assert len(only_reason(from_csv(f"{'x' * 9000},7,Training"))) <= 200


@given(st.lists(st.binary(max_size=60), max_size=5))
def test_no_line_crashes_it_and_none_is_lost(lines: list[bytes]) -> None:
    named = [(str(n), line) for n, line in enumerate(lines)]
    table = csv_rows(named, csv_columns(HEADER))
    assert len(table) == sum(bool(line.strip()) for line in lines)
    assert table["reason"].null_count == 0


def hugging_face_images() -> pa.Array:
    return pa.array([{"bytes": png(face), "path": None} for face in FACES])


@pytest.mark.parametrize(
    "images",
    [
        pa.array([png(face) for face in FACES]),
        pa.array([png(face) for face in FACES], pa.large_binary()),
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
    images = pa.array([png(face) for face in FACES])
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
    table = pa.table({"image": [png(face) for face in FACES], "label": [0, 3, 6], column: values})
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
            "image": [png(face) for face in FACES],
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
    row = {"image": png(FACES[0]), "label": 3, "usage": "Training", "votes": None} | {column: value}
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
    table = pa.table({"image": [png(FACES[0])], "label": [3]})
    reason = only_reason(from_parquet(table, data=small).to_pylist())
    assert reason.startswith("an image must have at most 100 bytes (data.max_image_bytes), got")
    check_bytes(100, small)
    with pytest.raises(ValueError, match="at most 100 bytes"):
        check_bytes(101, small)


def test_an_image_file_takes_its_folders_label() -> None:
    face = image_face(png(FACES[0]), 3, "Training", DATA)
    np.testing.assert_array_equal(face.image, FACES[0])
    assert (face.label, face.usage) == (3, "Training")


def test_a_file_outside_class_folders_is_refused() -> None:
    with pytest.raises(ValueError, match="must lie in a folder named for an emotion"):
        image_face(png(FACES[0]), None, "", DATA)


def test_an_image_file_over_the_stated_pixels_is_refused() -> None:
    with pytest.raises(ValueError, match=r"data\.max_image_pixels"):
        image_face(png(np.zeros((49, 48), np.uint8)), 3, "", DataConfig(max_image_pixels=48 * 48))
