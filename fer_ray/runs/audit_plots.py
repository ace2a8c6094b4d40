"""An audit, drawn: the sides of a split beside each other."""

from collections.abc import Mapping

import numpy as np

from fer_ray.faces.emotions import EMOTIONS
from fer_ray.runs.layout import SIDES
from fer_ray.runs.plots import ACCENT, INK, MUTED, Plot, drawing

_MARKS = {"train": (MUTED, "s"), "validation": (ACCENT, "^"), "test": (INK, "o")}


def class_shares(counts: Mapping[str, Mapping[str, int]]) -> Plot:
    """Each class's share of each side."""
    sides = _filled({side: list(counts[side].values()) for side in SIDES})
    spread, widest = max(
        (float(np.ptp([share[label] for share in sides.values()])), name)
        for label, name in enumerate(EMOTIONS)
    )
    caption = (
        f"The sides differ most in {widest}: by {100 * spread:.1f} points of their shares."
        if len(sides) > 1
        else "All faces stand on one side."
    )
    with drawing("class-shares", caption) as plot:
        axes = plot.axes
        for side, shares in sides.items():
            colour, mark = _MARKS[side]
            places = range(len(EMOTIONS))
            axes.plot(shares, places, color=colour, marker=mark, linewidth=0, label=side)
        axes.set_yticks(range(len(EMOTIONS)), EMOTIONS)
        axes.invert_yaxis()
        axes.set_xlim(left=0)
        axes.set_xlabel("share of the side")
        axes.set_title("How often each class stands on each side")
        axes.legend(frameon=False, labelcolor=MUTED)
    return plot


def light(by_side: Mapping[str, list[int]]) -> Plot:
    """The distribution of the faces' mean grey on each side."""
    sides = _filled(by_side)
    bins = len(next(iter(by_side.values())))
    greys = (np.arange(bins) + 0.5) * 256 / bins
    means = {side: float(share @ greys) for side, share in sides.items()}
    caption = "Mean grey: " + ", ".join(f"{side} {mean:.0f}" for side, mean in means.items()) + "."
    with drawing("light", caption) as plot:
        axes = plot.axes
        for (side, share), style in zip(sides.items(), ("-", "--", ":"), strict=False):
            axes.plot(greys, share, color=_MARKS[side][0], linestyle=style, label=side)
        axes.set_xlim(0, 256)
        axes.set_ylim(bottom=0)
        axes.set_xlabel("mean of a face's pixels, 0 black to 255 white")
        axes.set_ylabel("share of the side")
        axes.set_title("How light the faces of each side are")
        axes.legend(frameon=False, labelcolor=MUTED)
    return plot


def _filled(counts: Mapping[str, list[int]]) -> dict[str, np.ndarray]:
    """The shares of each side that has any."""
    return {side: np.array(some) / sum(some) for side, some in counts.items() if sum(some)}
