"""fer_ray.faces.exhibits: which faces show what an audit found, and what is said of them."""

from typing import Any

import pyarrow as pa
import pytest

from fer_ray.faces.audit import FACTS
from fer_ray.faces.emotions import EMOTIONS
from fer_ray.faces.exhibits import Exhibit, exhibits

ANGER, FEAR = EMOTIONS.index("anger"), EMOTIONS.index("fear")


def pair(kind: str, first: str, second: str, correlation: float | None = None, **more: Any) -> Any:
    about = {"a_side": "train", "b_side": "train", "a_label": ANGER, "b_label": ANGER}
    row = {"kind": kind, "a_id": first, "b_id": second, "correlation": correlation}
    return row | about | more


def shown(
    pairs: list[dict[str, Any]], facts: list[dict[str, Any]] | None = None
) -> dict[str, list[Exhibit]]:
    row = {"id": "z", "label": FEAR, "side": "test", "contrast": 50.0, "no_face": None}
    rows = [row] + [row | one for one in facts or []]
    of_faces = pa.Table.from_pylist(rows, FACTS)
    of_pairs = pairs or [pair("exact", "y", "y2")]
    return exhibits(of_faces, pa.Table.from_pylist(of_pairs))


def firsts(some: list[Exhibit]) -> list[str]:
    return [one.ids[0] for one in some]


@pytest.mark.parametrize("kind", ["exact", "near"])
def test_four_leaks_of_a_kind_are_shown_no_test_face_twice(kind: str) -> None:
    leak = {"a_side": "test"}
    rows = [pair(kind, f"t{number // 2}", f"n{number}", 0.99, **leak) for number in range(12)]
    told = shown([*rows, pair(kind, "inside", "n12", 0.99)])
    assert [one.ids for one in told["leak"]] == [(f"t{row}", f"n{2 * row}") for row in range(4)]
    how = {"exact": "byte for byte", "near": "near, 0.990"}[kind]
    assert told["leak"][0].words == ("test: anger", "train: anger", how)


def test_equal_faces_with_other_labels_are_shown_once_with_both() -> None:
    rows = [pair("exact", f"a{number}", f"b{number}", b_label=FEAR) for number in range(10)]
    told = shown([pair("exact", "same", "label"), *rows])
    assert firsts(told["labels"]) == [f"a{number}" for number in range(8)]
    assert told["labels"][0] == Exhibit(("a0",), ("train: anger", "train: fear"))
    assert told["near_labels"] == []


def test_the_faintest_are_the_last_of_what_is_near() -> None:
    rows = [pair("near", f"a{number}", f"b{number}", 1 - number / 1000) for number in range(20)]
    told = shown(rows)
    assert firsts(told["faintest"]) == [f"a{number}" for number in range(19, 11, -1)]
    assert told["faintest"][0].words[-1] == "near, 0.981"
    assert told["faintest"][0].ids == ("a19", "b19")


def test_single_faces_come_in_their_order_each_picture_once() -> None:
    flat = [{"id": f"f{number // 2}", "contrast": 0.0, "label": number % 2} for number in range(30)]
    told = shown([], [*flat, {"id": "no", "no_face": True}, {"id": "a face", "no_face": False}])
    assert firsts(told["blank"]) == [f"f{number}" for number in range(8)]
    assert told["blank"][0].words == ("test: anger",)  # as it stands first
    assert firsts(told["no_faces"]) == ["no"]
