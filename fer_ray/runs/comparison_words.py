"""What a report says of a model beside others, and of what each knew of the faces before."""

from collections.abc import Mapping
from typing import Any

from fer_ray.faces.emotions import EMOTIONS

_SURE = 0.05  # p, two-sided, above which a difference is called none that was shown


def sentence(one: Mapping[str, Any]) -> str:
    """A comparison in a sentence; a difference is shown where test and interval agree on it."""
    gain, p = one["comparison"]["accuracy"], one["comparison"]["mcnemar"]["p"]
    low, high = gain["interval"]
    where = f" on {one['comparison']['faces']:,} faces new to both" * (one["compared"] == "unseen")
    if p >= _SURE or low <= 0 <= high:
        return (
            f"That it names more or fewer than {one['name']}{where} is not shown by these faces"
            f" ({_points(gain['difference'])}; p {p_value(p)})."
        )
    better = "more" if gain["difference"] > 0 else "fewer"
    return (
        f"It names {abs(100 * gain['difference']):.1f} of 100 {better} than {one['name']}{where}"
        f" (95%: {_points(low)} to {_points(high)})."
    )


def table(one: Mapping[str, Any]) -> dict[str, Any]:
    """A comparison as a table: each figure of both, the difference, and McNemar's test."""
    told = one["comparison"]

    def row(name: str, gain: Mapping[str, Any], test: Any = None) -> dict[str, Any]:
        show, change = (share, _points) if test else (score, _change)
        ends, unknown = gain["interval"], gain["difference"] is None
        return {
            "name": name,
            "cells": [
                *("–" if unknown else show(gain[whose]) for whose in ("ours", "theirs")),
                "–" if unknown else change(gain["difference"]),
                "–" if ends is None else f"{change(ends[0])} to {change(ends[1])}",
                f"{test['only_ours']:,} : {test['only_theirs']:,}" if test and not unknown else "",
                p_value(test["p"]) if test and not unknown else "",
            ],
        }

    rows = [
        row("accuracy", told["accuracy"], told["mcnemar"]),
        row("macro-F1", told["macro_f1"]),
    ]
    by_class = told["recall_by_class"], told["mcnemar_by_class"]
    rows += [row(name, *(each[name] for each in by_class)) for name in EMOTIONS]
    which = "faces that are new to both" if one["compared"] == "unseen" else "faces"
    caption = f"On the same {told['faces']:,} {which}; shares of them, and recall of each class."
    return {"name": one["name"], "model": one["model"], "rows": rows, "caption": caption} | {
        "notes": [f"The other: {note}" for note in acquaintance(one["seen"])]
    }


def acquaintance(seen: Mapping[str, Any]) -> list[str]:
    """Whether a model has met the faces before, in sentences."""
    if not seen["known"]:
        return [
            "What the model was trained on is not known, so neither is whether it has met these"
            " faces before."
        ]
    trained_on, related, chosen_by = seen["trained_on"], seen["related"], seen["chosen_by"]
    told = "None of these faces is byte for byte among those that it was trained or chosen on."
    if trained_on + related + chosen_by:
        told = (
            f"{trained_on:,} of these faces stand byte for byte in its training side, {related:,}"
            f" more have made relatives there, {chosen_by:,} stand in the side that its epoch was"
            " chosen by: figures over all faces flatter it."
        )
    began = "It began from weights of which is not known what they were trained on."
    return [told, *([began] if seen["pretrained"] else [])]


def share(value: float) -> str:
    """A share as text: 65.1%."""
    return f"{value:.1%}"


def score(value: float) -> str:
    """A score as text: 0.641."""
    return f"{value:.3f}"


def _points(difference: float) -> str:
    """A difference of shares, in points of a hundred."""
    return _signed(f"{100 * difference:+.1f}")


def _change(difference: float) -> str:
    """A difference of scores."""
    return _signed(f"{difference:+.3f}")


def _signed(text: str) -> str:
    """A number with the sign of print; none where nothing is left of it."""
    return text[1:] if not text.strip("+-0.") else text.replace("-", "−")


def p_value(value: float) -> str:
    """A p value as text: 0.012."""
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
