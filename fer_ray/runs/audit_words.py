"""What an audit says in words and tables; what its page shows of them is its template's."""

from collections.abc import Mapping, Sequence
from typing import Any

from fer_ray.faces.emotions import EMOTIONS
from fer_ray.runs.comparison_words import p_value
from fer_ray.runs.layout import SIDES

_HOW = {
    "exact": "byte for byte",
    "made": "as relatives of made faces",
    "near": "nearly so",
    "mirrored": "mirrored",
}
_WHAT = {"classes": "class shares", "light": "light", "contrast": "contrast"}


def refusal(told: Mapping[str, Any]) -> str:
    """Why such data is refused, in a sentence."""
    leak = told["leak"]
    return (
        "data.uri must hold no test face in training where audit.strict is set, got"
        f" {leak['faces']:,} of {_test(told):,} ({_kinds(leak)})"
    )


def verdict(told: Mapping[str, Any]) -> str:
    """The audit in two or three sentences."""
    standing, left = overlap_of(told, "test", "train"), told["leak"]["faces"]
    copies, test = told["duplicates"], _test(told)
    if standing is None or not standing["faces"]:
        sentences = [f"None of {test:,} test faces stands in training, nor nearly so or mirrored."]
    else:
        faces = standing["faces"]
        sentences = [f"Of {test:,} test faces {faces:,} stand in training: {_kinds(standing)}."]
        if left < faces:
            rule = "The duplicate rule takes copies out of training before it begins;"
            sentences.append(f"{rule} {_left(left)}.")
    labels = copies["contradicting_groups"]
    sentences.append(
        f"{labels:,} of {copies['groups']:,} groups of equal faces have contradicting labels."
        if copies["groups"]
        else "No two faces are equal."
    )
    return " ".join(sentences)


def _left(left: int) -> str:
    return f"{left:,} of these are left" if left else "none of these is left"


def rule(told: Mapping[str, Any]) -> str:
    """What the duplicate rule makes of the test faces in training, in a sentence."""
    left = told["leak"]
    if told["deduplicate"]:
        kinds = f": {_kinds(left)}" if left["faces"] else ""
        return (
            "The table is of the faces as they were read. split.deduplicate is on: without the"
            f" copies that it drops, {left['faces']:,} test faces stand in training{kinds}."
        )
    return "The table is of the faces as training would see them: no duplicate rule is applied."


def badges(told: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What is out of the ordinary, and the section that explains it."""
    found = []
    if told["status"] == "refused":
        found.append(("refused", "leak"))
    if left := told["leak"]["faces"]:
        found.append((f"leaky: {left:,} test faces are in training", "leak"))
    if groups := told["duplicates"]["contradicting_groups"]:
        found.append((f"labels contradict in {groups:,} groups", "copies"))
    if constant := told["constant"]:
        found.append((f"constant: {constant:,} images", "none"))
    if strange := told["no_faces"]:
        found.append((f"no faces: {strange:,}", "none"))
    found += [
        (f"drift: {_WHAT[one['what']]} of {one['between'][1]}", "classes")
        for one in told["drift"]
        if one["sure"]
    ]
    if refused := told["refused_rows"]:
        found.append((f"refused: {refused:,} rows", "none"))
    return found


def figures(told: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """The headline figures: name, value, what it means."""
    copies, near = told["duplicates"], told["near"]
    by_usage = next((one for one in told["overlaps"] if one["by"] == "usage"), None)
    exact = (
        ("byte for byte", f"{by_usage['exact']:,}", f"{by_usage['of']} faces in {by_usage['in']}")
        if by_usage
        else ("byte for byte", f"{copies['test_also_in_train']:,}", "test faces in training")
    )
    return [
        ("faces", f"{told['faces']:,}", "as they were read"),
        exact,
        ("equal", f"{copies['groups']:,} groups", f"{copies['faces']:,} faces"),
        ("nearly equal", f"{near['pairs']:,} pairs", "beyond these"),
    ]


def overlaps(told: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every part's faces in every other, as rows of a table."""
    return [
        {
            "name": f"{one['of']} in {one['in']}",
            "cells": [f"{one[kind]:,}" for kind in (*_HOW, "faces")],
        }
        for one in told["overlaps"]
    ]


def copies(told: Mapping[str, Any]) -> list[str]:
    """What is said of faces that stand more than once."""
    found, near = told["duplicates"], told["near"]
    return [
        f"{found['groups']:,} groups of byte-identical faces ({found['faces']:,} faces),"
        f" {found['contradicting_groups']:,} of them with contradicting labels.",
        f"{near['pairs']:,} pairs of near duplicates beyond these, {near['mirrored_pairs']:,} of"
        f" them mirrored. They tie {near['faces']:,} faces into {near['groups']:,} groups,"
        f" {near['contradicting_groups']:,} of them with contradicting labels.",
    ]


def nothing(told: Mapping[str, Any]) -> list[str]:
    """What is said of what is no face."""
    votes = (
        f"Of {told['voted']:,} faces that FER+'s annotators saw, {told['no_faces']:,} are none by"
        " most of their votes."
        if told["voted"]
        else "The data has no votes of FER+'s annotators, who could tell what is no face."
    )
    return [
        f"{told['constant']:,} images are constant: one grey from edge to edge."
        f" {told['blank']:,} more are nearly so.",
        votes,
        f"{told['refused_rows']:,} rows were refused: what they hold could not be read as a face.",
    ]


def classes(told: Mapping[str, Any]) -> dict[str, Any]:
    """Counts and shares of each class by side, as a table."""
    totals = {side: sum(told["counts"][side].values()) for side in SIDES}
    sides = [side for side in SIDES if totals[side]]

    def cell(side: str, name: str) -> str:
        count = told["counts"][side][name]
        return f"{count:,} ({count / totals[side]:.1%})"

    rows = [(name, [cell(side, name) for side in sides]) for name in EMOTIONS]
    rows.append(("all", [f"{totals[side]:,}" for side in sides]))
    return {"columns": sides, "rows": rows, "caption": imbalance(told)}


def imbalance(told: Mapping[str, Any]) -> str:
    """How unequal the classes of training are, in a sentence."""
    counts = told["counts"]["train"]
    most, least = (extreme(counts, key=lambda name: counts[name]) for extreme in (max, min))
    if not counts[least]:
        return f"In training there is no face of {least}."
    ratio = counts[most] / counts[least]
    return f"In training there are {ratio:.1f} faces of {most} to one of {least}."


def drift(told: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What differs between sides, as rows of a table."""
    return [
        {
            "name": f"{_WHAT[one['what']]}: {' and '.join(one['between'])}",
            "cells": [
                f"{one['distance']:.3f}",
                p_value(one["p"]),
                "differs" if one["sure"] else "not shown",
            ],
        }
        for one in told["drift"]
    ]


def overlap_of(told: Mapping[str, Any], of: str, among: str) -> Mapping[str, Any] | None:
    """What stands of one side in another; none where one of them is empty."""
    found: Sequence[Mapping[str, Any]] = told["overlaps"]
    return next((one for one in found if (one["of"], one["in"]) == (of, among)), None)


def _kinds(found: Mapping[str, Any]) -> str:
    return ", ".join(f"{found[kind]:,} {words}" for kind, words in _HOW.items() if found[kind])


def _test(told: Mapping[str, Any]) -> int:
    return int(sum(told["counts"]["test"].values()))
