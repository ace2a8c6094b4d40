"""A run's report: one page that a person would rather look at than read."""

import shlex
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any

from fer_ray.faces.emotions import EMOTIONS
from fer_ray.runs import report_plots
from fer_ray.runs.layout import CONFIG, REPORT_PAGE, SIDES
from fer_ray.runs.pages import rendered
from fer_ray.runs.storage import Store

_REPEAT = "On the same versions, kind of processor and threads, this trains it again, to the bit."
_PACKAGES = ("tensorflow", "keras", "ray", "numpy", "scikit-learn", "imbalanced-learn", "pyarrow")


def write(
    run: Store,
    outcome: Mapping[str, Any],
    epochs: Sequence[Mapping[str, Any]],
    mistakes: Sequence[Mapping[str, Any]],
) -> None:
    """Write ``report/index.html``.

    Args:
        run: the folder, its settings written.
        outcome: as ``run.json`` will have it.
        epochs: the metrics of each.
        mistakes: ``src``, ``true``, ``named``, ``probability`` of each face on the contact sheet.
    """
    run.write_bytes(
        REPORT_PAGE, rendered("report.html.j2", _context(run, outcome, epochs, mistakes))
    )


def _context(
    run: Store,
    outcome: Mapping[str, Any],
    epochs: Sequence[Mapping[str, Any]],
    mistakes: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    scores, best = outcome["metrics"]["test"], outcome["best_epoch"]
    here = run.path(CONFIG) if run.local else CONFIG
    return {
        "title": f"Run {outcome['run']}",
        "kind": "fer_ray · training report",
        "contents": [
            *(("verdict", "Result"), ("mistakes", "Mistakes"), ("learning", "Learning")),
            *(("data", "Data"), ("believe", "Belief")),
        ],
        "verdict": _verdict(outcome),
        "badges": _badges(outcome),
        "figures": _figures(scores),
        "confusion": _confusion(scores["confusion_matrix"]),
        "by_class": report_plots.by_class(scores),
        "sheet": [{**one, "probability": f"{one['probability']:.1%}"} for one in mistakes],
        "curves": [
            report_plots.curve(epochs, "accuracy", "accuracy", best),
            report_plots.curve(epochs, "loss", "loss", best),
        ],
        "data": _data(outcome),
        "reliability": report_plots.reliability(scores),
        "repeat": f"{_REPEAT} Fetch {CONFIG} from the run's folder first."
        if not run.local
        else _REPEAT,
        "command": f"python jobs/train.py --config {shlex.quote(here)} --run again",
        "config_yaml": run.read_bytes(CONFIG).decode(),
        "versions": [(name, metadata.version(name)) for name in _PACKAGES],
    }


def _verdict(outcome: Mapping[str, Any]) -> str:
    """The run in three sentences."""
    scores, faces = outcome["metrics"]["test"], sum(outcome["counts"]["test"].values())
    low, high = scores["intervals"]["accuracy"]
    ends = scores["intervals"]["recall_by_class"]
    recall = {name: scores["recall_by_class"][name] for name in EMOTIONS if ends[name] is not None}
    weakest = min(recall, key=lambda name: recall[name])
    return (
        f"Trained for {outcome['epochs']} epoch{'s' if outcome['epochs'] > 1 else ''}; on"
        f" {faces:,} test faces it names {100 * scores['accuracy']:.0f} of 100 expressions rightly"
        f" (95%: {100 * low:.1f}–{100 * high:.1f}). Weakest: {weakest}."
    )


def _badges(outcome: Mapping[str, Any]) -> list[tuple[str, str]]:
    groups = outcome["worker_groups"]
    leaky = [("leaky: relatives of test faces were trained on", "data")] if outcome["leaky"] else []
    times = {2: "once", 3: "twice"}.get(len(groups), f"{len(groups) - 1} times")
    again = [(f"resumed {times}", "believe")] if len(groups) > 1 else []
    sizes = {group["workers"] for group in groups}
    resized = [(f"{min(sizes)} to {max(sizes)} workers", "believe")] if len(sizes) > 1 else []
    refused = outcome["refused_rows"]
    return [
        *leaky,
        *again,
        *resized,
        *([(f"refused: {refused:,} rows", "data")] if refused else []),
    ]


def _figures(scores: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    ends = scores["intervals"]
    (low, high), (worst, best) = ends["accuracy"], ends["macro_f1"]
    area = scores["auroc"]
    return [
        ("accuracy", f"{scores['accuracy']:.1%}", f"{low:.1%} – {high:.1%}"),
        ("macro-F1", f"{scores['macro_f1']:.3f}", f"{worst:.3f} – {best:.3f}"),
        ("right in two guesses", f"{scores['top2_accuracy']:.1%}", ""),
        ("AUROC", "–" if area is None else f"{area:.3f}", "one against the rest"),
    ]


def _confusion(matrix: Sequence[Sequence[int]]) -> dict[str, Any]:
    """The matrix as a table: rates of each row, and counts."""
    shares = {
        (i, j): count / sum(row)
        for i, row in enumerate(matrix)
        for j, count in enumerate(row)
        if i != j and sum(row) > 0
    }
    caption = "Share of each row, and faces."
    i, j = max(shares, key=lambda place: shares[place])
    if shares[i, j] > 0:
        taken = f"{EMOTIONS[i].capitalize()} is taken for {EMOTIONS[j]}"
        caption = f"{taken} in {shares[i, j]:.0%} of its faces. {caption}"

    def cell(count: int, row: Sequence[int]) -> dict[str, Any]:
        rate = count / sum(row) if sum(row) else 0.0
        return {"share": round(0.5 * rate, 3), "rate": f"{rate:.0%}", "count": f"{count:,}"}

    return {
        "caption": caption,
        "columns": EMOTIONS,
        "rows": [
            (name, [cell(count, row) for count in row])
            for name, row in zip(EMOTIONS, matrix, strict=True)
        ],
    }


def _data(outcome: Mapping[str, Any]) -> dict[str, Any]:
    counts, copies = outcome["counts"], outcome["duplicates"]
    sides = {**{side: counts[side] for side in SIDES}, "balanced": outcome["balanced"]}
    order = ("train", "balanced", "validation", "test")
    rows = [(name, [f"{sides[side].get(name, 0):,}" for side in order]) for name in EMOTIONS]
    rows.append(("all", [f"{sum(sides[side].values()):,}" for side in order]))
    notes = [
        f"{copies['groups']:,} groups of byte-identical faces ({copies['faces']:,} faces),"
        f" {copies['contradicting_groups']:,} of them with contradicting labels.",
        f"{outcome['refused_rows']:,} rows were refused as no faces.",
    ]
    if outcome["leaky"]:
        notes.insert(
            0,
            "The classes were balanced before the split (the published protocol): made"
            " relatives of test faces are in training, and the figures here are too high.",
        )
    return {"columns": order, "rows": rows, "notes": notes}
