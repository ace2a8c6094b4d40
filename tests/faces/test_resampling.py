"""fer_ray.faces.resampling: undersampling needs no neighbour, growing needs the whole class."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_ray.config import AugmentConfig
from fer_ray.faces import balance, resampling
from fer_ray.faces.balance import ClassPlan
from fer_ray.faces.rows import SCHEMA, face_table
from tests.parquet_faces import noise

LABELS = [number % 3 for number in range(30)]
ROWS = face_table(noise(30), LABELS, [f"face:{number}" for number in range(30)])


@given(cut=st.integers(0, 30), keep=st.integers(1, 10), seed=st.integers(0, 99))
@settings(max_examples=40)
def test_undersampling_a_part_keeps_what_undersampling_the_whole_keeps(
    cut: int, keep: int, seed: int
) -> None:
    ranked = resampling.ranks(ROWS, [1], seed)
    highest = resampling.nth_rank(ranked, {1: keep}).to_pylist()[0]
    limits = {1: highest["rank"]}
    kept = pa.concat_tables(
        resampling.undersampled(part, limits, [2], seed)
        for part in (ROWS.slice(0, cut), ROWS.slice(cut))
    )
    counts = np.bincount(kept["label"].to_numpy(), minlength=3).tolist()
    assert counts == [10, keep, 0]
    assert kept.equals(resampling.undersampled(ROWS, limits, [2], seed))


@pytest.mark.parametrize(
    ("plan", "origins"),
    [
        (ClassPlan(10, 10, 14), {"real": 10, "smote": 4}),
        (ClassPlan(10, 13, 13), {"real": 10, "generator": 3}),
        (ClassPlan(10, 13, 17), {"real": 10, "generator": 3, "smote": 4}),
    ],
)
def test_a_class_grows_as_planned_in_any_order_of_its_faces(
    plan: ClassPlan, origins: dict[str, int]
) -> None:
    own = resampling.of_labels(ROWS, [1])
    found = [
        resampling.resized(rows, {1: plan}, 3, AugmentConfig(rotation=20), 0)
        for rows in (own, own.take(np.arange(10)[::-1]))
    ]
    assert found[0].equals(found[1])
    assert found[0].schema.equals(SCHEMA)
    names, counts = np.unique(found[0]["origin"].to_pylist(), return_counts=True)
    assert dict(zip(names.tolist(), counts.tolist(), strict=True)) == origins
    parents = {"real": 0, "generator": 1, "smote": 2}
    ids = set(found[0]["id"].to_pylist())
    for row in found[0].to_pylist():
        assert len(row["parents"]) == parents[row["origin"]]
        assert set(row["parents"]) <= ids
    assert len(set(found[0]["source"].to_pylist())) == plan.after


def test_generated_faces_may_be_undersampled_too() -> None:
    own = resampling.of_labels(ROWS, [1])
    plan = ClassPlan(10, 20, 12)
    rows = resampling.resized(own, {1: plan}, 3, AugmentConfig(rotation=20), 0)
    whole = resampling.resized(own, {1: ClassPlan(10, 20, 20)}, 3, AugmentConfig(rotation=20), 0)
    ranks = balance.hash_ranks(whole["id"].to_pylist(), whole["source"].to_pylist(), 0)
    lowest = {whole["source"][int(place)].as_py() for place in np.argsort(ranks)[:12]}
    assert set(rows["source"].to_pylist()) == lowest
