"""Pages: one file of HTML with nothing outside it, and plots whose colours follow the page's."""

import html
import io
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import jinja2
import matplotlib as mpl
from matplotlib.axes import Axes
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


@dataclass(frozen=True)
class Plot:
    """A figure as SVG text, and what it shows in words."""

    svg: str
    caption: str


class Drawing:
    """A plot that is being drawn; its SVG once it is."""

    def __init__(self, axes: Axes) -> None:
        self.axes = axes
        self.svg = ""


@contextmanager
def drawing(name: str, alt: str, width: float = 6.4, height: float = 3.6) -> Iterator[Drawing]:
    """Axes to draw on; afterwards the drawing's ``svg`` says ``alt`` to who can't see it.

    Args:
        name: the plot's alone on its page, for the ids within it.
        alt: the finding, in words.
        width: in inches.
        height: in inches.
    """
    with mpl.rc_context(_LOOK):
        figure = Figure(figsize=(width, height), layout="constrained")
        drawn = Drawing(figure.add_subplot())
        yield drawn
        sink = io.StringIO()
        figure.savefig(sink, format="svg", metadata={"Date": None, "Creator": None})
    text = sink.getvalue()
    text = text[text.index("<svg") :]
    for stand_in, variable in _VARIABLES.items():
        text = text.replace(stand_in, variable)
    text = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", text)
    text = re.sub(r"(font: [^;\"]*?px )[^;\"]*", r"\1system-ui, sans-serif", text)
    label = html.escape(alt, quote=True)
    drawn.svg = text.replace("<svg", f'<svg role="img" aria-label="{label}"', 1)


def rendered(template: str, context: Mapping[str, Any]) -> bytes:
    """The page of a template; every value is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("fer_ray.runs"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(context).encode()
