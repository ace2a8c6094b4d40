"""What is wrong with a set of faces: all that can be told from a few facts of each.

Findings are of the faces as they stand, before the duplicate rule drops any; ``leak`` alone says
what is left of them where the rule is on.
"""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fer_ray.faces import drift, near, split
from fer_ray.faces.emotions import EMOTIONS
from fer_ray.faces.formats import USAGES
from fer_ray.faces.overlap import overlap
from fer_ray.faces.rows import images_of
from fer_ray.faces.split import SIDES
from fer_ray.faces.votes import ANSWERS, counts_of

FACTS = pa.schema(
    [
        *(("id", pa.string()), ("source", pa.string()), ("label", pa.int8())),
        *(("side", pa.string()), ("usage", pa.string()), ("origin", pa.string())),
        ("parents", pa.list_(pa.string())),
        ("light", pa.float32()),  # mean of the pixels, grey levels
        ("contrast", pa.float32()),  # their standard deviation
        ("no_face", pa.bool_()),  # most of FER+'s annotators say so; null where none was asked
    ]
)
"""A face without its pixels; ``usage`` is "" where the data has none."""

_NO_FACE = ANSWERS.index("not a face")


def facts_of(rows: pa.Table) -> pa.Table:
    """Table of ``FACTS`` of faces: columns of ``SCHEMA``, ``side`` and ``usage``."""
    pixels = images_of(rows["image"]).reshape(len(rows), -1)
    counts = counts_of(rows["votes"])
    others = np.delete(counts, _NO_FACE, axis=1).max(axis=1, initial=0)
    measured = {
        "light": pixels.mean(axis=1, dtype=np.float64),
        "contrast": pixels.std(axis=1, dtype=np.float64),  # exactly 0 where all are the same
        "no_face": pa.array(counts[:, _NO_FACE] > others, mask=~counts.any(axis=1)),
    }
    columns = [
        rows[one.name] if one.name in rows.column_names else measured[one.name] for one in FACTS
    ]
    return pa.table(
        [pa.array(one) if isinstance(one, np.ndarray) else one for one in columns], FACTS.names
    ).cast(FACTS)


def findings(facts: pa.Table, pairs: pa.Table, *, deduplicate: bool) -> dict[str, Any]:
    """All that is found, as JSON may hold it.

    Args:
        facts: of ``FACTS``, in order of (id, source); all faces of the data.
        pairs: of ``near.PAIRS``, between them.
        deduplicate: whether training would see them without what the duplicate rule drops.
    """
    ids = np.array(facts["id"].to_pylist(), "<U32")
    labels, sides = facts["label"].to_numpy(), np.array(facts["side"].to_pylist(), "<U10")
    kept = facts
    if deduplicate:
        kept = facts.filter(split.fates(ids, labels, sides) == "")
    contrast = facts["contrast"].to_numpy()
    asked = facts["no_face"].drop_null()
    return {
        "faces": len(facts),
        "counts": {side: _by_emotion(_part(facts, "side", side)) for side in SIDES},
        "duplicates": split.duplicate_counts(ids, labels, sides),
        "near": _near(ids, labels, pairs),
        "overlaps": _overlaps(facts, pairs),
        "leak": overlap(_part(kept, "side", "test"), _part(kept, "side", "train"), pairs),
        "constant": int((contrast == 0).sum()),
        "blank": int(((contrast > 0) & (contrast < near.LEAST_CONTRAST)).sum()),
        "voted": len(asked),
        "no_faces": int(pc.sum(asked).as_py() or 0),
        "drift": drift.drifts(facts),
        "light": drift.light(facts),
    }


def _overlaps(facts: pa.Table, pairs: pa.Table) -> list[dict[str, Any]]:
    """Every part's faces in every weaker part: of sides, and of usages where the data has some."""
    found = []
    for by, parts in (("side", SIDES), ("usage", USAGES)):
        there = [one for one in parts if len(_part(facts, by, one))]
        for number, of in enumerate(there):
            for among in there[:number]:
                told = {"by": by, "of": of, "in": among}
                found.append(told | overlap(_part(facts, by, of), _part(facts, by, among), pairs))
    return found


def _near(ids: np.ndarray, labels: np.ndarray, pairs: pa.Table) -> dict[str, int]:
    """Near duplicates, exact ones among them or not: pairs of distinct pictures, groups, faces."""
    distinct, picture = np.unique(ids, return_inverse=True)
    ends = [np.searchsorted(distinct, np.array(pairs[end].to_pylist(), "<U32")) for end in "ab"]
    group = near.connected(len(distinct), np.stack(ends, axis=1).astype(np.int64))[picture]
    tied = np.zeros(len(distinct), bool)
    tied[np.concatenate(ends).astype(np.int64)] = True
    mine = tied[picture]
    seen = np.zeros((int(group.max(initial=-1)) + 1, len(EMOTIONS)), bool)
    seen[group[mine], labels[mine]] = True
    return {
        "pairs": len(pairs),
        "mirrored_pairs": int(pc.sum(pairs["mirrored"]).as_py() or 0),
        "groups": int(seen.any(axis=1).sum()),
        "faces": int(mine.sum()),
        "contradicting_groups": int((seen.sum(axis=1) > 1).sum()),
    }


def _by_emotion(facts: pa.Table) -> dict[str, int]:
    return dict(zip(EMOTIONS, drift.class_counts(facts).tolist(), strict=True))


def _part(facts: pa.Table, column: str, value: str) -> pa.Table:
    return facts.filter(pc.equal(facts[column], value))
