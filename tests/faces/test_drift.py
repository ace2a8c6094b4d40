"""fer_ray.faces.drift: sides of one whole do not differ, others do."""

import numpy as np
import pyarrow as pa
import pytest

from fer_ray.faces import drift


def part(side: str, labels: np.ndarray, light: np.ndarray, contrast: np.ndarray) -> pa.Table:
    return pa.table(
        {
            "side": [side] * len(labels),
            "label": pa.array(labels, pa.int8()),
            "light": pa.array(light, pa.float32()),
            "contrast": pa.array(contrast, pa.float32()),
        }
    )


def drawn(side: str, count: int, seed: int, light: float = 128, spread: float = 1) -> pa.Table:
    rng = np.random.default_rng(seed)
    grey, contrast = rng.normal(light, 30, count).clip(0, 255), rng.normal(60, 10, count)
    return part(side, rng.integers(7, size=count), grey, spread * contrast)


def told(*parts: pa.Table) -> dict[tuple[str, str], bool]:
    """By the second of two sides and what was measured, whether they differ."""
    found = drift.drifts(pa.concat_tables(parts))
    return {(one["between"][1], one["what"]): one["sure"] for one in found}


def test_random_parts_of_one_whole_do_not_differ() -> None:
    found = told(drawn("train", 4_000, 0), drawn("validation", 500, 1), drawn("test", 500, 2))
    assert len(found) == 6
    assert not any(found.values())


def test_each_difference_is_told_by_its_name() -> None:
    train = drawn("train", 4_000, 0)
    lighter = told(train, drawn("test", 500, 1, light=145))
    assert lighter == {("test", "classes"): False, ("test", "light"): True} | {
        ("test", "contrast"): False
    }
    assert told(train, drawn("validation", 500, 1, spread=1.1))["validation", "contrast"]
    happy = drawn("test", 500, 1)
    happy = happy.set_column(
        1, "label", pa.array([3] * 250 + happy["label"].to_pylist()[250:], pa.int8())
    )
    assert told(train, happy)["test", "classes"]


def test_distances_are_what_they_are_by_hand() -> None:
    flat = np.full(4, 100.0)
    ours = part("train", np.array([0, 0, 1, 1]), flat, flat)
    theirs = part("test", np.array([0, 1, 1, 2]), np.array([100, 100, 100, 200.0]), flat)
    found = {one["what"]: one["distance"] for one in drift.drifts(pa.concat_tables([ours, theirs]))}
    assert found == pytest.approx({"classes": 0.25, "light": 0.25, "contrast": 0.0})


def test_an_empty_side_is_left_out_and_one_class_is_no_drift() -> None:
    ones = np.ones(5)
    alone = part("train", ones, ones, ones)
    assert drift.drifts(alone) == []
    both = pa.concat_tables([alone, part("test", ones, ones, ones)])
    assert [one["p"] for one in drift.drifts(both)] == pytest.approx([1, 1, 1])


def test_light_is_counted_by_side_in_bins_from_black_to_white() -> None:
    greys = np.array([0.0, 7.9, 8.0, 255.0])
    counts = drift.light(part("test", np.zeros(4), greys, greys))
    assert counts["test"] == [2, 1, *[0] * 29, 1]
    assert sum(counts["train"]) == 0
