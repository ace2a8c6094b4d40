"""The handful of faces that show what an audit found: chosen by id, without their pixels."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from fer_ray.faces import near
from fer_ray.faces.emotions import EMOTIONS
from fer_ray.faces.overlap import KINDS

_IN_WORDS = dict(zip(KINDS, ("byte for byte", "made of it", "near", "mirrored"), strict=True))
_SHOWN = 8


@dataclass(frozen=True)
class Exhibit:
    """One or two faces that belong together, and what is to be said of them, line by line."""

    ids: tuple[str, ...]
    words: tuple[str, ...]


def exhibits(facts: pa.Table, pairs: pa.Table) -> dict[str, list[Exhibit]]:
    """Examples of each finding, by its name; a finding without any has an empty list.

    ``leak``: test faces beside those in training; ``labels``: equal faces with other labels;
    ``near_labels``: near duplicates with other labels; ``faintest``: near duplicates, the least
    alike; ``no_faces``; ``blank``.

    Args:
        facts: of ``audit.FACTS``.
        pairs: from ``overlap.pair_rows``.
    """
    leaks = [
        leak
        for kind in KINDS
        for leak in _some(pairs, kind, a_side="test", b_side="train", count=_SHOWN // 2)
    ]
    other = pairs.filter(pc.not_equal(pairs["a_label"], pairs["b_label"]))
    flat = facts.filter(pc.less(facts["contrast"], near.LEAST_CONTRAST))
    return {
        "leak": [_pair(row) for row in leaks],
        "labels": [_one(row) for row in _some(other, "exact")],
        "near_labels": [_pair(row) for row in _some(other, "near")],
        "faintest": [_pair(row) for row in _some(pairs.take(_backwards(pairs)), "near")],
        "no_faces": _singles(facts.filter(pc.fill_null(facts["no_face"], fill_value=False))),
        "blank": _singles(flat),
    }


def _some(
    pairs: pa.Table, kind: str, count: int = _SHOWN, **sides: str
) -> Iterator[Mapping[str, Any]]:
    """Some pairs of a kind, no first face twice."""
    chosen = pairs.filter(pc.equal(pairs["kind"], kind))
    for column, side in sides.items():
        chosen = chosen.filter(pc.equal(chosen[column], side))
    return islice(_distinct(chosen), count)


def _distinct(pairs: pa.Table) -> Iterator[Mapping[str, Any]]:
    seen = set()
    for row in range(len(pairs)):
        pair = {name: pairs[name][row].as_py() for name in pairs.column_names}
        if pair["a_id"] not in seen:
            seen.add(pair["a_id"])
            yield pair


def _backwards(pairs: pa.Table) -> pa.Array:
    return pa.array(range(len(pairs) - 1, -1, -1), pa.int64())


def _pair(row: Mapping[str, Any]) -> Exhibit:
    sure = "" if row["correlation"] is None else f", {row['correlation']:.3f}"
    how = "byte for byte" if row["kind"] == "exact" else f"{_IN_WORDS[row['kind']]}{sure}"
    return Exhibit((row["a_id"], row["b_id"]), (_said(row, "a"), _said(row, "b"), how))


def _one(row: Mapping[str, Any]) -> Exhibit:
    return Exhibit((row["a_id"],), (_said(row, "a"), _said(row, "b")))


def _said(row: Mapping[str, Any], which: str) -> str:
    return f"{row[f'{which}_side']}: {EMOTIONS[row[f'{which}_label']]}"


def _singles(facts: pa.Table) -> list[Exhibit]:
    """Faces, no picture twice."""
    first = {row["id"]: row for row in reversed(facts.select(["id", "label", "side"]).to_pylist())}
    rows = islice(reversed(first.values()), _SHOWN)
    return [Exhibit((row["id"],), (f"{row['side']}: {EMOTIONS[row['label']]}",)) for row in rows]
