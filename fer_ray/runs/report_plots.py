"""A run, drawn: how it learned, how well it names each class, and what its confidence is worth."""

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.image import imread
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from fer_ray.faces.emotions import EMOTIONS
from fer_ray.runs.plots import ACCENT, HAIRLINE, INK, MUTED, Plot, drawing

COLOURS = dict(
    zip(
        EMOTIONS,
        ("#BF4A14", "#22BF88", "#6C2483", "#E0BC1C", "#3268E0", "#EE8CCB", "#5F6062"),
        strict=True,
    )
)


_MARKED = 100  # epochs

_CURVES = {"accuracy": "accuracy", "macro_f1": "macro-F1", "loss": "loss"}


def curve(epochs: Sequence[Mapping[str, Any]], key: str, best: int) -> Plot:
    """A metric of training (muted) and validation by epoch, the chosen epoch marked."""
    words = _CURVES[key]
    numbers = [epoch["epoch"] for epoch in epochs]
    chosen = next(epoch for epoch in epochs if epoch["epoch"] == best)
    figure = chosen["validation"][key]
    caption = f"Validation's {words} is {_figure(figure)} in epoch {best}, which was chosen."
    with drawing(f"curve-{key.replace('_', '-')}", caption) as plot:
        axes = plot.axes
        drawn = {
            side: values
            for side in ("train", "validation")
            if None not in (values := [epoch[side].get(key) for epoch in epochs])
        }
        mark = "o" if len(numbers) <= _MARKED else None  # each weighs 100 bytes, twice
        highest = max(drawn, key=lambda side: drawn[side][-1], default=None)
        for side, values in drawn.items():
            colour = ACCENT if side == "validation" else MUTED
            axes.plot(numbers, values, color=colour, linewidth=2, marker=mark, markersize=3)
            axes.annotate(
                "validation" if side == "validation" else "training",
                (numbers[-1], values[-1]),
                (4, 6 if side == highest else -14),
                textcoords="offset points",
                color=colour,
                ha="right",
            )
        axes.axvline(best, color=INK, linewidth=1, linestyle=":")
        axes.set_title(words)
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.margins(y=0.15)
    return plot


def by_class(scores: Mapping[str, Any]) -> Plot:
    """Each class's recall with its 95% interval."""
    recall, ends = scores["recall_by_class"], scores["intervals"]["recall_by_class"]
    there = [name for name in EMOTIONS if ends[name] is not None]
    weakest = min(there, key=lambda name: recall[name])
    caption = (
        f"Weakest is {weakest}: it names {recall[weakest]:.0%} of its faces rightly. Whiskers: 95%"
        " intervals."
    )
    with drawing("recall", caption) as plot:
        axes = plot.axes
        for place, name in enumerate(reversed(there)):
            low, high = ends[name]
            axes.barh(place, recall[name], color=COLOURS[name], height=0.6)
            axes.plot([low, high], [place, place], color=INK, linewidth=1)
            axes.annotate(f"{recall[name]:.0%}", (high, place), (6, -4), textcoords="offset points")
        axes.set_yticks(range(len(there)), list(reversed(there)))
        axes.set_xlim(0, 1.12)
        axes.set_title("Share of each class's faces that it names rightly (recall)")
    return plot


def reliability(scores: Mapping[str, Any]) -> Plot:
    """Accuracy against confidence, in bins."""
    bins, error = scores["calibration_bins"], scores["calibration_error"]
    sure = sum(one["faces"] * (one["confidence"] - one["accuracy"]) for one in bins)
    caption = (
        f"Its confidence is {error:.1%} off on average (expected calibration error, 15 bins of"
        " equal width)"
    )
    if round(1000 * error):
        caption += f": on the whole it is too {'sure' if sure > 0 else 'unsure'}"
    caption += "."
    with drawing("reliability", caption, width=5.2, height=4.4) as plot:
        axes = plot.axes
        axes.plot([0, 1], [0, 1], color=HAIRLINE, linewidth=1)
        most = max(one["faces"] for one in bins)
        for one in bins:
            axes.plot(
                one["confidence"],
                one["accuracy"],
                marker="o",
                color=ACCENT,
                markersize=3 + 9 * (one["faces"] / most) ** 0.5,
            )
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1)
        axes.set_title("What its confidence is worth")
        axes.set_xlabel("its probability")
        axes.set_ylabel("share that is right")
    return plot


def confusion(scores: Mapping[str, Any]) -> Plot:
    """The confusion matrix: one hue by the rate of its row, rate and count in each cell."""
    counts = np.array(scores["confusion_matrix"])
    rates = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    alt = "Share of each true class's faces by the class that they were named, and faces."
    with drawing("confusion", alt, width=7, height=6) as plot:
        axes = plot.axes
        for (row, column), rate in np.ndenumerate(rates):
            cell = Rectangle((column - 0.5, row - 0.5), 1, 1, color=ACCENT, alpha=0.5 * rate)
            axes.add_patch(cell)
            text = f"{rate:.0%}\n{counts[row, column]:,}"
            axes.text(column, row, text, ha="center", va="center", fontsize=9)
        axes.set_xlim(-0.5, len(EMOTIONS) - 0.5)
        axes.set_ylim(len(EMOTIONS) - 0.5, -0.5)
        axes.set_xticks(range(len(EMOTIONS)), EMOTIONS, rotation=30)
        axes.set_yticks(range(len(EMOTIONS)), EMOTIONS)
        axes.set_xlabel("named")
        axes.set_ylabel("true")
        axes.set_title("What is taken for what")
    return plot


def contact_sheet(mistakes: Sequence[Mapping[str, Any]]) -> Plot:
    """The most confident mistakes as faces, eight a row, captions below."""
    across, tall = 8, 1.5
    down = -(-len(mistakes) // across)
    with drawing("mistakes", "Labelled → named.", width=across * 1.2, height=down * 1.8) as plot:
        axes = plot.axes
        for number, one in enumerate(mistakes):
            left, top = number % across, tall * (number // across)
            face = imread(io.BytesIO(base64.b64decode(one["src"].partition(",")[2])))
            where = (left + 0.04, left + 0.96, top + 0.92, top)
            axes.imshow(face, cmap="gray", vmin=0, vmax=1, extent=where, interpolation="nearest")
            text = f"{one['true']} →\n{one['named']} {one['probability']:.0%}"
            axes.text(left + 0.04, top + 1.0, text, va="top", fontsize=7)
        axes.set_xlim(0, across)
        axes.set_ylim(tall * down, 0)
        axes.set_aspect("equal")
        axes.axis("off")
    return plot


def _figure(value: float | None) -> str:
    return "not finite" if value is None else f"{value:.3f}"
