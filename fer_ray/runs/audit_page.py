"""An audit's page: may this data be trained on, and what is wrong with it.

Beside it the same for programs: ``audit.json``, and every pair that was found as Parquet.
"""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from fer_ray.faces.exhibits import Exhibit
from fer_ray.runs import audit_plots, audit_words
from fer_ray.runs.layout import AUDIT_DATA, AUDIT_PAGE, AUDIT_PAIRS, CONFIG
from fer_ray.runs.pages import rendered
from fer_ray.runs.record import repeating, write_document
from fer_ray.runs.storage import Store

_REPEAT = "On the same faces, and with the same versions, this finds the same."
_PAIRS = "Every pair that was found stands in {}, with ids, sources, sides and labels."
_SHEETS = {  # exhibit: the section that it stands in, its title
    "leak": ("leak", "Test faces, each beside one in training"),
    "labels": ("copies", "Equal faces with contradicting labels"),
    "near_labels": ("copies", "Near duplicates with other labels"),
    "faintest": ("copies", "The least alike that are called near duplicates"),
    "no_faces": ("none", "No faces, by FER+'s votes"),
    "blank": ("none", "Constant, or nearly so"),
}


def write(
    run: Store,
    outcome: Mapping[str, Any],
    pairs: pa.Table,
    shown: Mapping[str, Sequence[Exhibit]],
    pictures: Mapping[str, str],
) -> None:
    """Write the page, ``audit.json`` and ``pairs.parquet``.

    Args:
        run: the audit's folder, its settings written.
        outcome: as ``run.json`` will have it.
        pairs: from ``overlap.pair_rows``.
        shown: from ``exhibits``.
        pictures: the ``src`` of the faces in ``shown``, by id.
    """
    sink = io.BytesIO()
    pq.write_table(pairs, sink, compression="zstd")
    run.write_bytes(AUDIT_PAIRS, sink.getvalue())
    command, _ = repeating(run, "audit")
    write_document(run, AUDIT_DATA, {"outcome": dict(outcome), "command": command})
    run.write_bytes(AUDIT_PAGE, rendered("audit.html.j2", _context(run, outcome, shown, pictures)))


def _context(
    run: Store,
    told: Mapping[str, Any],
    shown: Mapping[str, Sequence[Exhibit]],
    pictures: Mapping[str, str],
) -> dict[str, Any]:
    command, first = repeating(run, "audit")
    return {
        "title": f"Audit {told['run']}",
        "kind": "fer_ray · audit",
        "contents": [
            *(("verdict", "Result"), ("leak", "Test in training"), ("copies", "Copies")),
            *(("none", "No faces"), ("classes", "Classes"), ("believe", "Belief")),
        ],
        "verdict": audit_words.verdict(told),
        "badges": audit_words.badges(told),
        "figures": audit_words.figures(told),
        "overlaps": audit_words.overlaps(told),
        "rule": audit_words.rule(told),
        "copies": audit_words.copies(told),
        "nothing": audit_words.nothing(told),
        "classes": audit_words.classes(told),
        "drift": audit_words.drift(told),
        "plots": [audit_plots.class_shares(told["counts"]), audit_plots.light(told["light"])],
        "sheets": [
            {
                "section": section,
                "title": title,
                "items": [
                    {"faces": [pictures[one] for one in exhibit.ids], "words": exhibit.words}
                    for exhibit in shown[name]
                ],
            }
            for name, (section, title) in _SHEETS.items()
            if shown[name]
        ],
        "near": f"{told['near']['threshold']:g}",
        "protocol": told["protocol"],
        "pairs": _PAIRS.format(AUDIT_PAIRS),
        "repeat": f"{_REPEAT}{first}",
        "command": command,
        "config_yaml": run.read_bytes(CONFIG).decode(),
    }
