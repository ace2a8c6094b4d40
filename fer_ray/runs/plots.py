"""Plots whose colours follow those of the page that they stand on."""

import html
import io
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb, to_rgba_array
from matplotlib.figure import Figure

# Stand-ins that no plot has by chance; the page's own colours take their place in the SVG.
INK, MUTED, HAIRLINE, ACCENT, PAPER = "#010101", "#010102", "#010103", "#010104", "#010105"
_VARIABLES = {
    INK: "var(--ink)",
    MUTED: "var(--muted)",
    HAIRLINE: "var(--hairline)",
    ACCENT: "var(--accent)",
    PAPER: "var(--paper)",
}
_LIGHT = {
    INK: "#1c1d1f",
    MUTED: "#5f6368",
    HAIRLINE: "#dedfdb",
    ACCENT: "#1f5fbf",
    PAPER: "#fcfcfa",
}
_LOOK: Any = {
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "fer_ray",  # the same plot, the same bytes
    "font.family": "sans-serif",
    "font.size": 11,
    "text.color": INK,
    "axes.edgecolor": HAIRLINE,
    "axes.labelcolor": MUTED,
    "axes.titlelocation": "left",
    "axes.titlesize": 12,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
}


class Plot:
    """A drawing on ``axes``; once drawn, its ``svg``, and ``caption``, what it shows in words."""

    def __init__(self, name: str, caption: str, figure: Figure) -> None:
        self.name, self.caption = name, caption
        self.axes: Axes = figure.add_subplot()
        self.svg = ""
        self._figure = figure

    def png(self) -> bytes:
        """The drawing in the colours of light paper, for slides: 1,024 pixels at 6.4 inches."""
        _give_colours(self._figure, _LIGHT)
        return _saved(self._figure, "png", dpi=160, facecolor=_LIGHT[PAPER])


@contextmanager
def drawing(name: str, alt: str, width: float = 6.4, height: float = 3.6) -> Iterator[Plot]:
    """A plot to draw on, which afterwards has its ``svg``.

    Args:
        name: the plot's alone on its page, for the ids within it.
        alt: the finding, in words; also the caption, unless another is given.
        width: in inches.
        height: in inches.
    """
    with mpl.rc_context(_LOOK):
        figure = Figure(figsize=(width, height), layout="constrained")
        plot = Plot(name, alt, figure)
        yield plot
        text = _saved(figure, "svg", metadata={"Date": None, "Creator": None}).decode()
        figure.set_layout_engine(None)  # found: the picture would take as long to find it again
    text = text[text.index("<svg") :]
    for stand_in, variable in _VARIABLES.items():
        text = text.replace(stand_in, variable)
    text = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", text)
    text = re.sub(r"(font: [^;\"]*?px )[^;\"]*", r"\1system-ui, sans-serif", text)
    label = html.escape(alt, quote=True)
    plot.svg = text.replace("<svg", f'<svg role="img" aria-label="{label}"', 1)


def _saved(figure: Figure, kind: str, **how: Any) -> bytes:
    sink = io.BytesIO()
    figure.savefig(sink, format=kind, **how)
    return sink.getvalue()


def _give_colours(figure: Figure, colours: Mapping[str, str]) -> None:
    """Put ``colours`` in the place of the stand-ins that all the figure's parts were drawn with."""
    wanted = {to_rgb(stand_in): to_rgb(colour) for stand_in, colour in colours.items()}
    for part in figure.findobj():
        for what in ("color", "facecolor", "edgecolor", "markerfacecolor", "markeredgecolor"):
            get, put = getattr(part, f"get_{what}", None), getattr(part, f"set_{what}", None)
            if get is None or put is None:
                continue
            now = [tuple(one) for one in to_rgba_array(get()).tolist()]
            given = [(*wanted.get(one[:3], one[:3]), one[3]) for one in now]
            if given != now:
                put(given if len(given) > 1 else given[0])
