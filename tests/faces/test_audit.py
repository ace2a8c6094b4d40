"""fer_ray.faces.audit: planted faults are found, by number, and nothing else."""

import json

import numpy as np
import pyarrow as pa
import pytest

from fer_ray.faces import audit, demo
from fer_ray.faces.emotions import EMOTIONS
from fer_ray.faces.exhibits import exhibits
from fer_ray.faces.near import PAIRS, Prints, near_pairs
from fer_ray.faces.overlap import pair_rows
from fer_ray.faces.rows import face_table

NO_FACE, FEAR = [0] * 9 + [10], [0] * 6 + [7, 0, 0, 3]


def people(
    images: np.ndarray,
    labels: list[int],
    sides: list[str],
    votes: list[list[int] | None] | None = None,
    usages: list[str] | None = None,
) -> pa.Table:
    """Faces with their sides and usages, in order of (id, source)."""
    rows = face_table(images, labels, [f"{n:03d}" for n in range(len(images))], votes=votes)
    columns = {"side": sides, "usage": usages or [""] * len(images)}
    for name, values in columns.items():
        rows = rows.append_column(name, pa.array(values, pa.string()))
    return rows.sort_by([("id", "ascending"), ("source", "ascending")])


def planted() -> pa.Table:
    """Twenty faces: test 0 stands in training, 1 brighter there, 2 mirrored; 13 has two labels."""
    images, _ = demo.draw(0, 20, seed=0)
    images[10] = images[0]
    images[11] = np.clip(images[1].astype(int) + 20, 0, 255)
    images[12] = images[2][:, ::-1]
    images[13] = images[14]
    images[15] = 7
    images[16] = 7
    images[16, 0, 0] = 9
    labels = [n % 7 for n in range(20)]
    labels[10], labels[11], labels[12] = labels[0], labels[1], 6
    return people(images, labels, ["test"] * 10 + ["train"] * 8 + ["validation"] * 2)


def found(rows: pa.Table, *, deduplicate: bool = False) -> dict[str, object]:
    some = Prints.of(rows)
    pairs = near_pairs(some, some, 0.97)
    return audit.findings(audit.facts_of(rows), pairs, deduplicate=deduplicate)


def test_what_was_planted_is_found_and_nothing_else() -> None:
    told = found(planted())
    assert told["faces"] == 20
    assert told["duplicates"] == {
        "groups": 2,
        "faces": 4,
        "contradicting_groups": 1,
        "test_also_in_train": 1,
        "test_also_in_validation": 0,
    }
    assert told["near"] == {
        "pairs": 2,
        "mirrored_pairs": 1,
        "groups": 2,
        "faces": 4,
        "contradicting_groups": 1,
    }
    leak = {"exact": 1, "made": 0, "near": 1, "mirrored": 1, "faces": 3}
    nothing = dict.fromkeys(leak, 0)
    assert told["overlaps"] == [
        {"by": "side", "of": "validation", "in": "train"} | nothing,
        {"by": "side", "of": "test", "in": "train"} | leak,
        {"by": "side", "of": "test", "in": "validation"} | nothing,
    ]
    assert told["leak"] == leak
    assert (told["constant"], told["blank"]) == (1, 1)
    assert (told["voted"], told["no_faces"]) == (0, 0)
    json.dumps(told, allow_nan=False)


def test_the_duplicate_rule_leaves_what_is_not_byte_for_byte() -> None:
    told = found(planted(), deduplicate=True)
    assert told["leak"] == {"exact": 0, "made": 0, "near": 1, "mirrored": 1, "faces": 2}
    assert told["overlaps"] == found(planted())["overlaps"]


def test_usages_are_told_beside_sides() -> None:
    images, _ = demo.draw(0, 3, seed=0)
    images[2] = images[0]
    usages = ["Training", "Training", "PublicTest"]
    told = found(people(images, [0, 0, 0], ["validation", "train", "test"], usages=usages))
    rows = {(one["by"], one["of"], one["in"]): one["exact"] for one in told["overlaps"]}  # type: ignore[attr-defined]
    assert rows["usage", "PublicTest", "Training"] == 1
    assert (rows["side", "test", "train"], rows["side", "test", "validation"]) == (0, 1)


def test_no_face_is_what_most_annotators_call_none() -> None:
    images, _ = demo.draw(0, 4, seed=0)
    shared = [5] + [0] * 8 + [5]
    rows = people(images, [0] * 4, ["train"] * 4, votes=[NO_FACE, FEAR, shared, None])
    told = found(rows)
    assert (told["voted"], told["no_faces"]) == (3, 1)


def test_facts_are_light_and_contrast_of_the_pixels() -> None:
    images = np.zeros((2, 48, 48), np.uint8)
    images[0, :, :24] = 200
    rows = people(images, [0, 1], ["train", "test"])
    facts = audit.facts_of(rows)
    assert facts.schema.equals(audit.FACTS)
    by_label = {row["label"]: row for row in facts.to_pylist()}
    assert (by_label[0]["light"], by_label[0]["contrast"]) == (100, 100)
    assert (by_label[1]["light"], by_label[1]["contrast"]) == (0, 0)


def test_counts_are_by_side_and_emotion() -> None:
    told = found(planted())
    counts = told["counts"]
    assert isinstance(counts, dict)
    assert {side: sum(by.values()) for side, by in counts.items()} == {
        "train": 8,
        "validation": 2,
        "test": 10,
    }
    assert set(counts["train"]) == set(EMOTIONS)


def test_every_finding_has_its_examples() -> None:
    rows = planted()
    facts, some = audit.facts_of(rows), Prints.of(rows)
    shown = exhibits(facts, pair_rows(facts, near_pairs(some, some, 0.97)))
    assert {name: len(examples) for name, examples in shown.items()} == {
        "leak": 3,
        "labels": 1,
        "near_labels": 0,
        "faintest": 1,
        "no_faces": 0,
        "blank": 2,
    }
    assert [one.words[-1].partition(",")[0] for one in shown["leak"]] == [
        "byte for byte",
        "near",
        "mirrored",
    ]
    assert shown["leak"][0].words[:2] == ("test: anger", "train: anger")
    assert all(len(one.ids) == 2 for one in shown["leak"])
    assert set(shown["labels"][0].words) == {"train: neutral", "train: anger"}


def test_no_face_leads_two_examples_of_one_kind() -> None:
    images, _ = demo.draw(0, 4, seed=0)
    images[1:3] = images[0]
    rows = people(images, [0] * 4, ["test", "train", "train", "train"])
    facts = audit.facts_of(rows)
    shown = exhibits(facts, pair_rows(facts, PAIRS.empty_table()))
    assert len(shown["leak"]) == 1


def test_nothing_wrong_has_no_examples() -> None:
    images, _ = demo.draw(0, 5, seed=0)
    rows = people(images, [0] * 5, ["train"] * 5)
    facts = audit.facts_of(rows)
    shown = exhibits(facts, pair_rows(facts, PAIRS.empty_table()))
    assert not any(shown.values())


@pytest.mark.parametrize("side", ["train", "test"])
def test_one_face_alone_is_audited(side: str) -> None:
    images, _ = demo.draw(0, 1, seed=0)
    told = found(people(images, [3], [side]))
    assert told["drift"] == []
    assert told["overlaps"] == []
