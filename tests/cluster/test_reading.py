"""fer_ray.cluster.reading on a real Ray cluster: the same faces, however the input is cut."""

import io
import itertools
import threading
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import ray
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fer_ray.cluster import reading
from fer_ray.cluster.source import DEMO
from fer_ray.config import DataConfig
from fer_ray.faces import demo
from fer_ray.faces.formats import RAW_SCHEMA, USAGES
from fer_ray.faces.rows import face_ids, images_of
from fer_ray.runs.storage import store
from tests.encoded import encoded, pixels
from tests.flaky import Flaky
from tests.s3_server import S3

FACES = np.random.default_rng(1).integers(256, size=(10, 48, 48), dtype=np.uint8)
LABELS = [0, 1, 2, 3, 4, 5, 6, 0, 1, 2]


def read(uri: Path | str, data: DataConfig | None = None, piece_bytes: int = 2**20) -> pa.Table:
    """All rows at ``uri``, in order of source."""
    faces = reading.read(str(uri), data or DataConfig(), piece_bytes)
    tables = ray.get(faces.to_arrow_refs())
    assert all(table.schema.equals(RAW_SCHEMA) for table in tables)
    whole = pa.concat_tables(tables)
    numbers = pc.cast(pc.replace_substring_regex(whole["source"], r"\D+", ""), pa.int64())
    return whole.take(pc.sort_indices(numbers))


def check_faces(table: pa.Table, sources: list[str]) -> None:
    """That these are FACES, whole and in order."""
    assert table["reason"].null_count == len(FACES)
    assert table["source"].to_pylist() == sources
    assert table["label"].to_pylist() == LABELS
    assert table["id"].to_pylist() == face_ids(FACES)
    np.testing.assert_array_equal(images_of(table["image"]), FACES)


@given(
    text=st.lists(st.sampled_from([b"a", b"bcd", b"\n", b"\r\n", b"x" * 30]), max_size=40),
    cuts=st.lists(st.integers(1, 400), max_size=6, unique=True),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_line_begins_in_exactly_one_range(
    tmp_path: Path, text: list[bytes], cuts: list[int]
) -> None:
    header, body = b"head\n", b"".join(text)
    whole = header + body
    (tmp_path / "f").write_bytes(whole)
    inner = [cut + len(header) for cut in sorted(cuts) if cut < len(body)]
    lines = body.splitlines(keepends=True)
    starts = list(itertools.accumulate(map(len, lines), initial=len(header)))
    there = store(str(tmp_path))
    for first, end in itertools.pairwise([len(header), *inner, len(whole)]):
        read = reading.lines_beginning_in(there, there.path("f"), first, end)
        begun = [line for line, at in zip(lines, starts, strict=False) if first <= at < end]
        assert read == b"".join(begun)


@pytest.mark.usefixtures("ray_cluster")
@pytest.mark.parametrize("piece_bytes", [5_000, 33_333, 2**20])  # below a row, some rows, all
def test_a_csvs_rows_do_not_depend_on_how_it_is_cut(tmp_path: Path, piece_bytes: int) -> None:
    rows = [
        f'{label},"{pixels(face)}",Training\r\n' for label, face in zip(LABELS, FACES, strict=True)
    ]
    rows.insert(4, "\r\n")  # an empty line is no row, but a line
    rows[-1] = rows[-1].rstrip()
    text = "\ufeffemotion,pixels,Usage\r\n" + "".join(rows)
    (tmp_path / "fer2013.csv").write_bytes(text.encode())
    table = read(tmp_path / "fer2013.csv", piece_bytes=piece_bytes)
    check_faces(table, [f"fer2013.csv:{n}" for n in range(2, 13) if n != 6])
    assert set(table["usage"].to_pylist()) == {"Training"}


@pytest.mark.usefixtures("ray_cluster")
def test_a_bad_row_is_named_by_its_line(tmp_path: Path) -> None:
    rows = [f"{label},{pixels(face)}" for label, face in zip(LABELS, FACES, strict=True)]
    rows[7] = "0,7 7 7"
    (tmp_path / "f.csv").write_text("\n".join(["emotion,pixels", *rows]))
    table = read(tmp_path, piece_bytes=20_000)
    (bad,) = table.filter(pc.is_valid(table["reason"])).to_pylist()
    assert (bad["source"], bad["id"]) == ("f.csv:9", None)
    assert bad["reason"] == "a face must have 2304 pixels, got 3"
    assert len(table) == 10


@pytest.mark.usefixtures("ray_cluster")
@pytest.mark.parametrize("piece_bytes", [1, 8_000, 2**20])
def test_image_files_do_not_depend_on_how_they_are_cut(tmp_path: Path, piece_bytes: int) -> None:
    names = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"]
    for number, (label, face) in enumerate(zip(LABELS, FACES, strict=True)):
        folder = tmp_path / ("test" if number == 9 else "train") / names[label]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.png").write_bytes(encoded(face))
    table = read(tmp_path, piece_bytes=piece_bytes)
    sources = [f"train/{names[label]}/{number}.png" for number, label in enumerate(LABELS)]
    check_faces(table, [*sources[:9], "test/fear/9.png"])
    assert table["usage"].to_pylist() == ["Training"] * 9 + ["PublicTest"]


@pytest.mark.usefixtures("ray_cluster")
def test_an_image_file_over_the_stated_bytes_is_refused_unread(tmp_path: Path) -> None:
    (tmp_path / "sad").mkdir()
    (tmp_path / "sad" / "1.png").write_bytes(encoded(FACES[0]))
    with (tmp_path / "sad" / "2.png").open("wb") as stream:
        stream.truncate(2**40)  # a terabyte of holes: reading it would not end
    table = read(tmp_path)
    assert table["reason"].to_pylist()[0] is None
    assert "at most 16777216 bytes (data.max_image_bytes)" in table["reason"].to_pylist()[1]


@pytest.mark.usefixtures("ray_cluster")
def test_a_link_whose_target_is_missing_is_a_refused_row(tmp_path: Path) -> None:
    (tmp_path / "sad").mkdir()
    (tmp_path / "sad" / "1.png").write_bytes(encoded(FACES[0]))
    (tmp_path / "sad" / "2.png").symlink_to("../.git/annex/objects/2.png")
    table = read(tmp_path)
    assert table["source"].to_pylist() == ["sad/1.png", "sad/2.png"]
    assert table["reason"].to_pylist() == [None, "an image must not be empty, got 0 bytes"]


@pytest.mark.usefixtures("ray_cluster")
@pytest.mark.parametrize("group_rows", [1, 3, 100])
def test_a_parquets_rows_do_not_depend_on_its_groups(tmp_path: Path, group_rows: int) -> None:
    faces = pa.table({"image": [encoded(face) for face in FACES], "label": LABELS})
    (tmp_path / "data").mkdir()
    pq.write_table(faces, tmp_path / "data" / "f.parquet", row_group_size=group_rows)
    check_faces(read(tmp_path), [f"data/f.parquet:{n}" for n in range(10)])


@pytest.mark.usefixtures("ray_cluster")
def test_parquet_with_a_damaged_page_is_refused_as_a_whole(tmp_path: Path) -> None:
    faces = pa.table({"image": [face.tobytes() for face in FACES], "label": LABELS})
    pq.write_table(faces, tmp_path / "f.parquet")
    damaged = bytearray((tmp_path / "f.parquet").read_bytes())
    damaged[4:60] = b"\xff" * 56  # the first page's header; the footer stays whole
    (tmp_path / "f.parquet").write_bytes(damaged)
    with pytest.raises(ValueError, match=r"must be Parquet that can be read \(f\.parquet\)"):
        read(tmp_path)


@pytest.mark.usefixtures("ray_cluster")
def test_parquet_folders_named_for_sides_tell_the_usage(tmp_path: Path) -> None:
    for number, side in enumerate(["train", "validation", "test"]):
        (tmp_path / side).mkdir()
        face = pa.table({"image": [encoded(FACES[number])], "label": [3]})
        pq.write_table(face, tmp_path / side / f"{number}.parquet")
    usages = dict(
        zip(*read(tmp_path).select(["source", "usage"]).to_pydict().values(), strict=True)
    )
    assert usages == {
        "train/0.parquet:0": "Training",
        "validation/1.parquet:0": "PublicTest",
        "test/2.parquet:0": "PrivateTest",
    }


@pytest.mark.usefixtures("ray_cluster")
def test_drawn_faces_are_those_of_their_numbers() -> None:
    table = read(DEMO, DataConfig(demo_faces=600))
    images, labels = demo.draw(0, 600, seed=0)
    np.testing.assert_array_equal(images_of(table["image"]), images)
    assert table["label"].to_pylist() == labels.tolist()
    assert table["source"].to_pylist() == [f"demo:{n}" for n in range(600)]
    assert set(table["usage"].to_pylist()) == set(USAGES)


@pytest.mark.usefixtures("ray_cluster")
def test_the_shared_faces_are_read(shared_faces: Path) -> None:
    table = read(shared_faces)
    assert table["reason"].null_count == len(table) == 32_298
    counts = {row["values"]: row["counts"] for row in table["usage"].value_counts().to_pylist()}
    assert counts == {"Training": 28_709, "PublicTest": 3_589}
    assert table["source"].to_pylist() == [f"faces.parquet:{n}" for n in range(32_298)]
    assert pc.count_distinct(table["id"]).as_py() == 30_769
    assert table["votes"].null_count < len(table)


def test_parquet_on_storage_that_fails_for_a_while_is_read_whole(flaky: Flaky, s3: S3) -> None:
    there = store(f"s3://{s3.bucket()}/faces", "data.uri")
    table = pa.table({"image": [encoded(face) for face in FACES] * 300, "label": LABELS * 300})
    sink = io.BytesIO()
    pq.write_table(table, sink)
    there.write_bytes("all.parquet", sink.getvalue())
    row = {"path": there.path("all.parquet"), "name": "all.parquet", "group": 0}
    flaky.trouble = "drops"
    parts: list[pa.Table] = []
    tables = reading.parquet_tables(row, there)
    reader = threading.Thread(target=lambda: parts.extend(part for part, _ in tables))
    reader.start()
    deadline = time.monotonic() + 60
    while flaky.refused < 3:
        assert time.monotonic() < deadline
    flaky.trouble = None
    reader.join(60)
    assert len(parts) > 1
    assert pa.concat_tables(parts).equals(table)
