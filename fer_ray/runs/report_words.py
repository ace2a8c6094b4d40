"""What a report says of a run in words and tables; what a page shows of them is its template's."""

from collections.abc import Mapping, Sequence
from typing import Any

from fer_ray.faces.emotions import EMOTIONS
from fer_ray.runs.layout import SIDES

_SURE = 0.05  # p, two-sided, above which a difference is called none that was shown


def verdict(outcome: Mapping[str, Any], side: str) -> str:
    """The run in two to four sentences."""
    scores, faces = outcome["metrics"][side], sum(outcome["counts"][side].values())
    low, high = scores["intervals"]["accuracy"]
    ends = scores["intervals"]["recall_by_class"]
    recall = {name: scores["recall_by_class"][name] for name in EMOTIONS if ends[name] is not None}
    weakest = min(recall, key=lambda name: recall[name])
    epochs = outcome.get("epochs")
    trained = f"Trained for {epochs} epoch{'s' if epochs > 1 else ''}; on" if epochs else "On"
    of = "faces of every side" if side == "all" else f"{side} faces"
    told = (
        f"{trained} {faces:,} {of} it names {100 * scores['accuracy']:.0f} of 100 expressions"
        f" rightly (95%: {100 * low:.1f}–{100 * high:.1f}). Weakest: {weakest}."
    )
    return " ".join([told, *(_against(one) for one in outcome.get("against", []))])


def _against(one: Mapping[str, Any]) -> str:
    """A comparison in a sentence."""
    gain = one["comparison"]["accuracy"]
    low, high = gain["interval"]
    if one["comparison"]["mcnemar"]["p"] >= _SURE:
        return (
            f"That it names more or fewer than {one['name']} is not shown by these faces"
            f" ({_points(gain['difference'])}; 95%: {_points(low)} to {_points(high)})."
        )
    better = "more" if gain["difference"] > 0 else "fewer"
    return (
        f"It names {abs(100 * gain['difference']):.1f} of 100 {better} than {one['name']}"
        f" (95%: {_points(low)} to {_points(high)})."
    )


def badges(outcome: Mapping[str, Any], side: str) -> list[tuple[str, str]]:
    """What is out of the ordinary, and the section that explains it."""
    groups = outcome.get("worker_groups", [])
    told = []
    if outcome.get("leaky") and "seen" not in outcome:
        told.append(("leaky: relatives of test faces were trained on", "data"))
    seen = outcome.get("seen", {"known": True, "trained_on": 0, "related": 0})
    if not seen["known"]:
        told.append(("not known what it was trained on", "data"))
    elif met := seen["trained_on"] + seen["related"]:
        faces = sum(outcome["counts"][side].values())
        what = "faces, or relatives of theirs," if seen["related"] else "faces"
        told.append((f"leaky: {met:,} of {faces:,} {what} were trained on", "data"))
    if len(groups) > 1:
        times = {2: "once", 3: "twice"}.get(len(groups), f"{len(groups) - 1} times")
        told.append((f"resumed {times}", "believe"))
    sizes = {group["workers"] for group in groups}
    if len(sizes) > 1:
        told.append((f"{min(sizes)} to {max(sizes)} workers", "believe"))
    if refused := outcome["refused_rows"]:
        told.append((f"refused: {refused:,} rows", "data"))
    return told


def figures(scores: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """The headline figures: name, value, and its interval or what it means."""
    ends, area = scores["intervals"], scores["auroc"]
    (low, high), (worst, best) = ends["accuracy"], ends["macro_f1"]
    return [
        ("accuracy", f"{scores['accuracy']:.1%}", f"{low:.1%} – {high:.1%}"),
        ("macro-F1", f"{scores['macro_f1']:.3f}", f"{worst:.3f} – {best:.3f}"),
        ("right in two guesses", f"{scores['top2_accuracy']:.1%}", ""),
        ("AUROC", "–" if area is None else f"{area:.3f}", "one against the rest"),
    ]


def comparison(one: Mapping[str, Any], scores: Mapping[str, Any]) -> dict[str, Any]:
    """A comparison as a table: each figure of both, the difference, and McNemar's test."""
    told, other = one["comparison"], one["metrics"]

    def row(name: str, ours: float, theirs: float, gain: Any, test: Any = None) -> dict[str, Any]:
        show, change = (_share, _points) if test else (_score, _change)
        ends = gain["interval"]
        return {
            "name": name,
            "cells": [
                show(ours),
                show(theirs),
                change(gain["difference"]),
                "–" if ends is None else f"{change(ends[0])} to {change(ends[1])}",
                f"{test['only_ours']:,} : {test['only_theirs']:,}" if test else "",
                _p(test["p"]) if test else "",
            ],
        }

    rows = [
        row("accuracy", scores["accuracy"], other["accuracy"], told["accuracy"], told["mcnemar"]),
        row("macro-F1", scores["macro_f1"], other["macro_f1"], told["macro_f1"]),
    ]
    rows += [
        row(
            name,
            scores["recall_by_class"][name],
            other["recall_by_class"][name],
            told["recall_by_class"][name],
            told["mcnemar_by_class"][name],
        )
        for name in EMOTIONS
    ]
    return {"name": one["name"], "model": one["model"], "rows": rows, "faces": told["faces"]}


def _share(value: float) -> str:
    return f"{value:.1%}"


def _score(value: float) -> str:
    return f"{value:.3f}"


def _points(difference: float) -> str:
    """A difference of shares, in points of a hundred."""
    return f"{100 * difference:+.1f}".replace("-", "−")


def _change(difference: float) -> str:
    """A difference of scores."""
    return f"{difference:+.3f}".replace("-", "−")


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def confusion(matrix: Sequence[Sequence[int]]) -> dict[str, Any]:
    """The matrix as a table: rates of each row, and counts."""

    def cell(count: int, row: Sequence[int]) -> dict[str, Any]:
        rate = count / sum(row) if sum(row) else 0.0
        return {"share": round(0.5 * rate, 3), "rate": f"{rate:.0%}", "count": f"{count:,}"}

    return {
        "caption": f"{taken_for(matrix)} Share of each row, and faces.".strip(),
        "columns": EMOTIONS,
        "rows": [
            (name, [cell(count, row) for count in row])
            for name, row in zip(EMOTIONS, matrix, strict=True)
        ],
    }


def taken_for(matrix: Sequence[Sequence[int]]) -> str:
    """The most frequent confusion in a sentence; empty where there is none."""
    shares = {
        (i, j): count / sum(row)
        for i, row in enumerate(matrix)
        for j, count in enumerate(row)
        if i != j and sum(row) > 0
    }
    i, j = max(shares, key=lambda place: shares[place])
    if not shares[i, j]:
        return ""
    taken = f"{EMOTIONS[i].capitalize()} is taken for {EMOTIONS[j]}"
    return f"{taken} in {shares[i, j]:.0%} of its faces."


def votes(told: Mapping[str, Any] | None) -> list[str]:
    """What FER+'s annotators say, in sentences."""
    if told is None or not told["faces"]:
        return []
    sentences = [
        f"FER+: on {told['faces']:,} faces most of ten annotators agree on an emotion. It names"
        f" {told['accuracy']:.1%} of these as they do; the dataset's labels do in"
        f" {told['labels_accuracy']:.1%}."
    ]
    if told["errors"]:
        sentences.append(
            f"Of its {told['errors']:,} errors {told['disputed_errors']:.0%} have a label that most"
            f" annotators do not give either; in {told['excused_errors']:.0%} they give what it"
            " named."
        )
    return sentences


def data(outcome: Mapping[str, Any], side: str) -> dict[str, Any]:
    """The faces as a table of counts by class, and what is to be said of them."""
    counts, copies = dict(outcome["counts"]), outcome["duplicates"]
    order = [one for one in ("train", "balanced", *SIDES[1:]) if one in counts or one == "balanced"]
    if "balanced" in outcome:
        counts["balanced"] = outcome["balanced"]
    columns = [one for one in order if one in counts] or [side]
    rows = [(name, [f"{counts[one].get(name, 0):,}" for one in columns]) for name in EMOTIONS]
    rows.append(("all", [f"{sum(counts[one].values()):,}" for one in columns]))
    notes = [
        f"{copies['groups']:,} groups of byte-identical faces ({copies['faces']:,} faces),"
        f" {copies['contradicting_groups']:,} of them with contradicting labels.",
        f"{outcome['refused_rows']:,} rows were refused as no faces.",
    ]
    if outcome.get("leaky") and "seen" not in outcome:
        notes.insert(
            0,
            "The classes were balanced before the split (the published protocol): made"
            " relatives of test faces are in training, and the figures here are too high.",
        )
    if "seen" in outcome:
        notes.insert(0, _seen(outcome["seen"]))
    return {
        "columns": columns,
        "rows": rows,
        "notes": notes,
        "caption": "“Balanced” is what training saw of the training side in an epoch."
        if "balanced" in columns
        else "",
    }


def _seen(seen: Mapping[str, Any]) -> str:
    """Whether the model has met the faces before, in a sentence."""
    if not seen["known"]:
        return (
            "What the model was trained on is not known, so neither is whether it has met these"
            " faces before."
        )
    trained_on, related, chosen_by = seen["trained_on"], seen["related"], seen["chosen_by"]
    if not trained_on + related + chosen_by:
        return "None of these faces is byte for byte among those that it was trained or chosen on."
    return (
        f"{trained_on:,} of these faces stand byte for byte among those that the model was trained"
        f" on, {chosen_by:,} among those that its epoch was chosen by; {related:,} more have made"
        " relatives among them: the figures here are too high."
    )
