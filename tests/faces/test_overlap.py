"""fer_ray.faces.overlap: which faces of one part stand in another, and the pairs that show it."""

import pyarrow as pa
import pytest

from fer_ray.faces.near import PAIRS
from fer_ray.faces.overlap import overlap, pair_rows


def people(*rows: tuple[str, str, int, list[str]]) -> pa.Table:
    """Faces by id, side, label and parents, in the order in which they are given."""
    return pa.table(
        {
            "id": [row[0] for row in rows],
            "source": [f"{number:03d}" for number in range(len(rows))],
            "side": [row[1] for row in rows],
            "label": pa.array([row[2] for row in rows], pa.int8()),
            "parents": pa.array([row[3] for row in rows], pa.list_(pa.string())),
        }
    )


def alike(*rows: tuple[str, str, bool, float]) -> pa.Table:
    names = PAIRS.names
    return pa.Table.from_pylist([dict(zip(names, row, strict=True)) for row in rows], PAIRS)


def counted(**found: int) -> dict[str, int]:
    kinds = dict.fromkeys(("exact", "made", "near", "mirrored"), 0) | found
    return kinds | {"faces": sum(found.values())}


TRAIN = people(("a", "train", 0, []), ("b", "train", 1, []), ("m", "train", 1, ["p", "q"]))


def overlaps(face: str, parents: list[str], pairs: pa.Table) -> dict[str, int]:
    return overlap(people((face, "test", 0, parents)), TRAIN, pairs)


@pytest.mark.parametrize(
    ("face", "parents", "kind"),
    [
        ("a", [], "exact"),
        ("p", [], "made"),  # what a face in training was made from
        ("x", ["a"], "made"),  # made from a face in training
        ("x", ["q"], "made"),  # made from what one in training was made from
        ("n", [], "near"),
        ("s", [], "mirrored"),
        ("x", [], None),
        ("x", ["y"], None),
    ],
)
def test_a_face_counts_as_what_it_is(face: str, parents: list[str], kind: str | None) -> None:
    pairs = alike(("a", "n", False, 0.99), ("b", "s", True, 0.98), ("x", "y", False, 1.0))
    expected = counted(**({kind: 1} if kind else {}))
    assert overlaps(face, parents, pairs) == expected


def test_a_face_counts_once_by_the_first_of_its_kinds() -> None:
    pairs = alike(("a", "b", False, 0.99), ("b", "p", False, 0.99), ("a", "z", True, 0.99))
    both = alike(*(tuple(row.values()) for row in pairs.to_pylist()), ("b", "z", False, 0.98))
    assert overlaps("a", ["q"], both) == counted(exact=1)
    assert overlaps("p", [], both) == counted(made=1)
    assert overlaps("z", [], both) == counted(near=1)


def test_every_copy_of_a_face_counts() -> None:
    test = people(("a", "test", 0, []), ("a", "test", 0, []), ("z", "test", 0, []))
    assert overlap(test, TRAIN, alike()) == counted(exact=2)
    assert overlap(test.slice(0, 0), TRAIN, alike()) == counted()
    assert overlap(test, TRAIN.slice(0, 0), alike()) == counted()


def test_pairs_begin_with_the_stronger_side() -> None:
    facts = people(
        ("a", "train", 0, []),
        ("a", "train", 1, []),
        ("a", "test", 2, []),
        ("b", "validation", 3, []),
        ("c", "test", 4, ["b"]),
        ("d", "train", 5, []),
    )
    rows = pair_rows(facts, alike(("b", "d", True, 0.97), ("a", "d", False, 0.99)))
    told = [
        (row["kind"], row["a_id"], row["a_label"], row["b_id"], row["b_label"])
        for row in rows.to_pylist()
    ]
    assert told == [
        ("exact", "a", 2, "a", 0),
        ("exact", "a", 2, "a", 1),
        ("made", "c", 4, "b", 3),
        ("mirrored", "b", 3, "d", 5),
        ("near", "a", 0, "d", 5),  # the first face of each side stands for its copies
        ("near", "a", 2, "d", 5),
    ]
    assert rows["correlation"].to_pylist() == pytest.approx([1, 1, None, 0.97, 0.99, 0.99])
    assert {row["a_side"] for row in rows.to_pylist()} == {"test", "validation", "train"}


def test_parents_that_are_not_there_make_no_pair() -> None:
    assert len(pair_rows(people(("a", "train", 0, ["gone", "b"])), alike())) == 0
