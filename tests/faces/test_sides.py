"""fer_ray.faces.sides: what is counted adds up, and what stops a dataset says why."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_ray.config import DataConfig, SplitConfig
from fer_ray.faces import sides
from fer_ray.faces.formats import RAW_SCHEMA
from fer_ray.faces.rows import face_table
from fer_ray.faces.sides import Census, Summary

ROW = st.tuples(st.integers(0, 5), st.integers(0, 6), st.sampled_from(["Training", "PublicTest"]))
ROLES = {"Training": "train", "PublicTest": "test"}


def table(rows: list[tuple[int, int, str]], refused: int = 0) -> pa.Table:
    """Faces of one grey, label and usage each, in order of (id, source), and refused rows."""
    images = np.array([grey for grey, *_ in rows], np.uint8)[:, None, None] * np.ones(
        (48, 48), np.uint8
    )
    labels = [label for _, label, _ in rows]
    good = face_table(images, labels, [f"good:{n:03d}" for n in range(len(rows))])
    good = good.append_column("usage", pa.array([usage for *_, usage in rows], pa.string()))
    good = good.append_column("reason", pa.nulls(len(rows), pa.string()))
    bad = [{"source": f"bad:{n:03d}", "usage": "", "reason": "torn"} for n in range(refused)]
    together = pa.concat_tables([good, pa.Table.from_pylist(bad, schema=RAW_SCHEMA)])
    return together.sort_by([("id", "ascending"), ("source", "ascending")])


@given(
    rows=st.lists(ROW, min_size=1, max_size=20), refused=st.integers(0, 4), cut=st.integers(0, 24)
)
@settings(max_examples=50)
def test_a_census_is_the_sum_of_its_parts(
    rows: list[tuple[int, int, str]], refused: int, cut: int
) -> None:
    raw = table(rows, refused)
    census = Census.of(raw.slice(0, cut)) + Census.of(raw.slice(cut))
    assert census == Census.of(raw)
    assert (census.faces, census.refused) == (len(rows), refused)
    assert census.first_refused == ("bad:000: torn" if refused else None)


@given(rows=st.lists(ROW, min_size=1, max_size=30), deduplicate=st.booleans())
@settings(max_examples=50)
def test_a_split_is_the_sum_of_its_ranges_and_loses_no_face_uncounted(
    rows: list[tuple[int, int, str]], deduplicate: bool
) -> None:
    raw = table(rows)
    split = SplitConfig(protocol="official", deduplicate=deduplicate)
    kept, whole = sides.resolve(raw, split, ROLES)
    ids = sorted(set(raw["id"].to_pylist()))
    low = raw["id"].to_numpy(zero_copy_only=False) < ids[len(ids) // 2]
    parts = [sides.resolve(raw.filter(part), split, ROLES) for part in (low, ~low)]
    assert parts[0][1] + parts[1][1] == whole
    assert pa.concat_tables([part for part, _ in parts]).equals(kept)
    assert len(kept) + whole.dropped.total() == len(rows)
    assert whole.counts.total() == len(kept)
    assert deduplicate or len(kept) == len(rows)
    assert sum(len(sides.of_side(kept, side)) for side in sides.SIDES) == len(kept)


def test_too_many_refused_rows_are_told_with_the_first_of_them() -> None:
    census = Census.of(table([(0, label, "") for label in range(7)], refused=3))
    census.check(DataConfig(max_refused=0.3))
    with pytest.raises(
        ValueError,
        match=r"data.max_refused must be at least 0.3, the share of refused rows"
        r" \(3 of 10, the first bad:000: torn\), got 0.29",
    ):
        census.check(DataConfig(max_refused=0.29))


def test_an_emotion_without_a_face_is_told_by_name() -> None:
    census = Census.of(table([(0, label, "") for label in (0, 2, 3, 4, 6)]))
    with pytest.raises(ValueError, match=r"faces of every emotion, got none of disgust, surprise"):
        census.check(DataConfig())


def test_an_empty_side_is_told_before_an_empty_class() -> None:
    summary = Summary()
    summary.counts.update({("train", label): 1 for label in range(6)} | {("test", 0): 1})
    with pytest.raises(ValueError, match=r"enough faces for every side, got no validation"):
        summary.check()
    summary.counts["validation", 0] = 1
    with pytest.raises(ValueError, match=r"training side, got none of neutral there"):
        summary.check()
    summary.counts["train", 6] = 1
    summary.check()


def test_paper_parts_even_equal_faces_by_source() -> None:
    raw = table([(0, 0, "")] * 60)
    kept, _ = sides.resolve(raw, SplitConfig(protocol="paper", deduplicate=False), {})
    assert set(kept["side"].to_pylist()) == set(sides.SIDES)
    kept, _ = sides.resolve(raw, SplitConfig(protocol="hashed", deduplicate=False), {})
    assert len(set(kept["side"].to_pylist())) == 1
