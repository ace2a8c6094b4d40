"""fer_ray.faces.formats: each row of a csv becomes a face or a reason, and each image file."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_ray.config import DataConfig
from fer_ray.faces.columns import csv_columns
from fer_ray.faces.formats import RAW_SCHEMA, csv_rows, image_face
from fer_ray.faces.rows import face_ids
from tests.encoded import encoded, pixels
from tests.faces.raw_rows import DATA, FACES, only_reason

HEADER = b"emotion,pixels,Usage"


def from_csv(*lines: str, header: bytes = HEADER) -> list[dict[str, Any]]:
    named = ((f"f.csv:{n}", line.encode()) for n, line in enumerate(lines, 2))
    table = csv_rows(named, csv_columns(header))
    assert table.schema == RAW_SCHEMA
    return list(table.to_pylist())


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


def test_an_image_file_takes_its_folders_label() -> None:
    face = image_face(encoded(FACES[0]), 3, "Training", DATA)
    np.testing.assert_array_equal(face.image, FACES[0])
    assert (face.label, face.usage) == (3, "Training")


def test_a_file_outside_class_folders_is_refused() -> None:
    with pytest.raises(ValueError, match="must lie in a folder named for an emotion"):
        image_face(encoded(FACES[0]), None, "", DATA)


def test_an_image_file_over_the_stated_pixels_is_refused() -> None:
    with pytest.raises(ValueError, match=r"data\.max_image_pixels"):
        image_face(
            encoded(np.zeros((49, 48), np.uint8)), 3, "", DataConfig(max_image_pixels=48 * 48)
        )
