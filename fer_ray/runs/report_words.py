"""What a report says of a run in words and tables; what a page shows of them is its template's."""

from collections.abc import Mapping, Sequence
from typing import Any

from fer_ray.faces.emotions import EMOTIONS
from fer_ray.runs import comparison_words
from fer_ray.runs.comparing import HEADLINES
from fer_ray.runs.layout import SIDES


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
    return " ".join([told, *(comparison_words.sentence(one) for one in outcome.get("against", []))])


def badges(outcome: Mapping[str, Any], side: str) -> list[tuple[str, str]]:
    """What is out of the ordinary, and the section that explains it."""
    groups = outcome.get("worker_groups", [])
    told = [("drawn faces, not photographs", "data")] if outcome.get("drawn") else []
    if outcome.get("leaky") and "seen" not in outcome:
        told.append(("leaky: relatives of test faces were trained on", "data"))
    told += _acquaintance(outcome, side)
    if len(groups) > 1:
        times = {2: "once", 3: "twice"}.get(len(groups), f"{len(groups) - 1} times")
        told.append((f"resumed {times}", "believe"))
    sizes = {group["workers"] for group in groups}
    if len(sizes) > 1:
        told.append((f"{min(sizes)} to {max(sizes)} workers", "believe"))
    if refused := outcome["refused_rows"]:
        told.append((f"refused: {refused:,} rows", "data"))
    return told


def _acquaintance(outcome: Mapping[str, Any], side: str) -> list[tuple[str, str]]:
    """What an evaluated model knew of the faces, as badges."""
    if "seen" not in outcome:
        return []
    seen, faces = outcome["seen"], sum(outcome["counts"][side].values())
    told = []
    if not seen["known"]:
        told.append(("not known what it was trained on", "data"))
    elif met := seen["trained_on"] + seen["related"]:
        what = "faces, or relatives of theirs," if seen["related"] else "faces"
        told.append((f"leaky: {met:,} of {faces:,} {what} were trained on", "data"))
    if chosen := seen.get("chosen_by"):
        told.append((f"{chosen:,} of {faces:,} faces chose its epoch", "data"))
    if made := seen["made"]:
        told.append((f"{made:,} of {faces:,} faces are made ones", "data"))
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


def also(outcome: Mapping[str, Any], side: str) -> list[tuple[str, list[str]]]:
    """Other rows of scores beside the page's own: what they are, accuracy and macro-F1."""
    names = {
        side: "every face, as above",
        f"{side}_unseen": "the faces that are new to it",
        f"{side}_flips": "mean over each face and its mirror image",
    }
    rows = []
    for key, words in names.items():
        if scores := outcome["metrics"].get(key):
            (low, high), (worst, best) = (scores["intervals"][one] for one in HEADLINES)
            cells = [
                f"{sum(map(sum, scores['confusion_matrix'])):,}",
                comparison_words.share(scores["accuracy"]),
            ]
            cells += [f"{low:.1%} to {high:.1%}", comparison_words.score(scores["macro_f1"])]
            rows.append((words, [*cells, f"{worst:.3f} to {best:.3f}"]))
    return rows if len(rows) > 1 else []


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
        f"FER+: on {told['faces']:,} faces one emotion got more of ten annotators' votes than any"
        f" other answer. It names {told['accuracy']:.1%} of these by that emotion; the dataset's"
        f" labels do in {told['labels_accuracy']:.1%}."
    ]
    if told["errors"]:
        sentences.append(
            f"Of its {told['errors']:,} errors {told['disputed_errors']:.0%} have a label that is"
            f" not the answer with the most votes either; in {told['excused_errors']:.0%} that is"
            " what it named."
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
        notes = [*comparison_words.acquaintance(outcome["seen"]), *notes]
    return {
        "columns": columns,
        "rows": rows,
        "notes": notes,
        "caption": "“Balanced” is what training saw of the training side in an epoch."
        if "balanced" in columns
        else "",
    }
