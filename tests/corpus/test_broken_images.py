"""No broken PNG or JPEG is a face, alone or among a folder that a real cluster reads at once."""

import os
import random
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
import ray
from hypothesis import given
from hypothesis import strategies as st

from fer_ray.cluster import reading
from fer_ray.cluster.source import check_source
from fer_ray.config import DataConfig
from fer_ray.faces.formats import image_face, raw_rows
from tests.corpus.jpegs import broken_jpegs, whole_jpegs
from tests.corpus.outcomes import Cases, reasons, sentence
from tests.corpus.pngs import broken_pngs, whole_pngs

pytestmark = pytest.mark.timeout(60)


def rows(cases: Cases) -> pa.Table:
    return raw_rows(cases.items(), lambda data: image_face(data, 3, "", DataConfig()))


@pytest.mark.parametrize("whole", [whole_pngs, whole_jpegs])
def test_the_images_that_are_broken_here_were_faces(whole: Callable[[], Cases]) -> None:
    found = rows(whole())
    assert found["reason"].null_count == len(found) == len(whole())


@pytest.mark.parametrize("broken", [broken_pngs, broken_jpegs])
def test_no_broken_image_is_a_face(broken: Callable[[], Cases]) -> None:
    cases = broken()
    found = rows(cases)
    accepted = [row["source"] for row in found.to_pylist() if row["reason"] is None]
    assert accepted == []
    assert len(reasons(found)) == len(cases)


@given(cut=st.integers(0, 10**6), which=st.sampled_from([*whole_pngs().values()]))
def test_no_beginning_of_a_png_is_a_face(cut: int, which: bytes) -> None:
    assert reasons(rows({"cut": which[: cut % len(which)]}))


@given(cut=st.integers(0, 10**6), which=st.sampled_from([*whole_jpegs().values()]))
def test_no_beginning_of_a_jpeg_is_a_face(cut: int, which: bytes) -> None:
    assert reasons(rows({"cut": which[: cut % len(which)]}))


def test_a_name_that_is_not_utf_8_is_told(tmp_path: Path) -> None:
    (tmp_path / "sad").mkdir()
    (tmp_path / "sad" / os.fsdecode(b"\xff.png")).write_bytes(whole_pngs()["grey"])
    told = sentence(lambda: check_source(str(tmp_path)))
    assert told == f"data.uri must hold files whose names are UTF-8, got others in {tmp_path}"


@pytest.mark.usefixtures("ray_cluster")
def test_a_folder_of_broken_images_is_listed_to_the_last(tmp_path: Path) -> None:
    everything = [*broken_pngs().values(), *broken_jpegs().values()]
    chosen = random.Random(4).sample(everything, 120)
    names = [f"{place % 3}.png" if place % 2 else f"{place % 5}.jpg" for place in range(120)]
    for number, (name, content) in enumerate(zip(names, chosen, strict=True)):
        folder = tmp_path / ("happy", "sad", "fear")[number % 3]
        folder.mkdir(exist_ok=True)
        (folder / f"{number}-{name}").write_bytes(content)
    (tmp_path / "happy" / "good.png").write_bytes(whole_pngs()["grey"])
    found = pa.concat_tables(ray.get(reading.read_all(str(tmp_path), DataConfig())))
    good = found.filter(pc.is_null(found["reason"]))
    assert good["source"].to_pylist() == ["happy/good.png"]
    bad = found.filter(pc.is_valid(found["reason"]))
    assert len(reasons(bad)) == 120
    assert len(set(bad["source"].to_pylist())) == 120
