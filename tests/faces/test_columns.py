"""fer_ray.faces.columns: headers by name, classes by name."""

import json

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_ray.faces.columns import csv_columns, csv_fields, parquet_columns


def hugging_face(names: object) -> pa.Schema:
    features = {"label": {"names": names, "_type": "ClassLabel"}, "image": {"_type": "Image"}}
    told = json.dumps({"info": {"features": features}})
    fields = [("image", pa.binary()), ("label", pa.int64())]
    return pa.schema(fields, metadata={"huggingface": told})


def test_kaggles_header_is_known() -> None:
    columns = csv_columns(b"emotion,pixels,Usage")
    assert (columns.label, columns.image, columns.usage, columns.fields) == (0, 1, 2, 3)


@pytest.mark.parametrize(
    "header",
    [
        b"\xef\xbb\xbfemotion,pixels,Usage\r\n",
        b'"emotion","pixels","Usage"\n',
        b"emotion, pixels, Usage",  # as in Kaggle's icml_face_data.csv
        b"EMOTION,Pixels,usage",
        b"label,image,usage",
    ],
)
def test_marks_quotes_blanks_and_case_do_not_matter(header: bytes) -> None:
    assert csv_columns(header) == csv_columns(b"emotion,pixels,Usage")


def test_columns_may_come_in_any_order_and_among_others() -> None:
    columns = csv_columns(b"n,Usage,pixels,note,emotion")
    assert (columns.label, columns.image, columns.usage, columns.fields) == (4, 2, 1, 5)


def test_usage_may_be_absent() -> None:
    assert csv_columns(b"emotion,pixels").usage is None


@pytest.mark.parametrize("header", [b"pixels", b"emotion,Usage", b"", b"0,70 80 82,Training"])
def test_a_header_without_labels_or_pixels_is_refused(header: bytes) -> None:
    with pytest.raises(ValueError, match=r"data.uri must have a column of labels .* got '"):
        csv_columns(header)


def test_numeric_labels_count_through_hugging_faces_classes() -> None:
    assert parquet_columns(hugging_face(["angry", "sad"])).classes == ("angry", "sad")


def test_without_metadata_labels_are_fer2013s() -> None:
    assert (
        parquet_columns(pa.schema([("image", pa.binary()), ("label", pa.int8())])).classes is None
    )


def test_a_class_that_is_no_emotion_is_refused() -> None:
    with pytest.raises(ValueError, match="got 'contempt'"):
        parquet_columns(hugging_face(["angry", "contempt"]))


@given(st.recursive(st.none() | st.text(), st.lists, max_leaves=5))
def test_other_metadata_is_not_understood_as_classes(names: object) -> None:
    if isinstance(names, list):
        names = {"not": names}
    assert parquet_columns(hugging_face(names)).classes is None


def test_broken_metadata_is_refused() -> None:
    schema = hugging_face([]).with_metadata({"huggingface": "{"})
    with pytest.raises(ValueError, match="'huggingface' must be JSON"):
        parquet_columns(schema)


@given(st.binary())
def test_no_header_crashes_it(header: bytes) -> None:
    with pytest.raises(ValueError, match="must"):
        csv_columns(header)


def test_a_field_beyond_what_csv_reads_is_refused() -> None:
    with pytest.raises(ValueError, match="comma-separated values, got: field larger"):
        csv_fields('"' + "7" * 200_000 + '"')


@pytest.mark.parametrize(
    ("header", "twice"),
    [(b"emotion,pixels,Emotion", "emotion"), (b"emotion,pixels,Usage, usage", "Usage")],
)
def test_a_column_that_is_there_twice_is_refused(header: bytes, twice: str) -> None:
    with pytest.raises(ValueError, match=r"must have one column of each name, got several") as told:
        csv_columns(header)
    assert twice.lower() in str(told.value).lower()


def test_values_that_only_another_library_understands_are_refused() -> None:
    tensors = pa.fixed_shape_tensor(pa.uint8(), (48, 48))
    label = pa.field("label", pa.int8())
    assert parquet_columns(pa.schema([("image", tensors), label])).image == 0
    within = pa.schema([("image", pa.struct([("bytes", pa.list_(tensors))])), label])
    with pytest.raises(ValueError, match=r"^column 'image' must hold plain values, got extension<"):
        parquet_columns(within)
