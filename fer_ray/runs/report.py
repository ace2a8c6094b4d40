"""A report: one page that a person would rather look at than read, and its contents for programs.

Of a run that trained, or of an evaluation, which has no curves and may have comparisons.
"""

from collections.abc import Iterator, Mapping
from importlib import metadata
from typing import Any

from fer_ray.runs import comparison_words, report_plots, report_words
from fer_ray.runs.layout import CONFIG, REPORT_DATA, REPORT_PAGE, report_picture
from fer_ray.runs.pages import rendered
from fer_ray.runs.plots import Plot
from fer_ray.runs.record import repeating, write_document
from fer_ray.runs.shown import Shown
from fer_ray.runs.storage import Store

_REPEAT = "On the same versions, kind of processor and threads, this comes to the same, to the bit."
_PACKAGES = ("tensorflow", "keras", "ray", "numpy", "scikit-learn", "imbalanced-learn", "pyarrow")


def write(run: Store, shown: Shown) -> None:
    """Write the report's page, ``report.json``, and each plot as PNG."""
    plots = _plots(shown)
    page = rendered("report.html.j2", _context(run, shown, plots))
    for plot in [*plots.values(), *_pictures(shown)]:
        run.write_bytes(report_picture(plot.name), plot.png())
    seen = [{k: v for k, v in one.items() if k != "src"} for one in shown.mistakes]
    write_document(
        run,
        REPORT_DATA,
        {
            "outcome": dict(shown.outcome),
            "epochs": list(shown.epochs),
            "mistakes": seen,
            "command": repeating(run, shown.job)[0],
            "versions": dict(_versions()),
        },
    )
    run.write_bytes(REPORT_PAGE, page)


def _plots(shown: Shown) -> dict[str, Plot]:
    """The plots of the page."""
    plots = {
        "by_class": report_plots.by_class(shown.scores),
        "reliability": report_plots.reliability(shown.scores),
    }
    if shown.epochs:
        best = shown.outcome["best_epoch"]
        for key in ("accuracy", "macro_f1", "loss"):
            plots[key] = report_plots.curve(shown.epochs, key, best)
    return plots


def _pictures(shown: Shown) -> Iterator[Plot]:
    """What the page has as a table or as faces, drawn for slides."""
    yield report_plots.confusion(shown.scores)
    if shown.mistakes:
        yield report_plots.contact_sheet(shown.mistakes)


def _context(run: Store, shown: Shown, plots: Mapping[str, Plot]) -> dict[str, Any]:
    against = shown.outcome.get("against", [])
    command, first = repeating(run, shown.job)
    return {
        "title": f"{'Run' if shown.epochs else 'Evaluation'} {shown.outcome['run']}",
        "kind": f"fer_ray · {'training' if shown.epochs else 'evaluation'} report",
        "contents": [
            ("verdict", "Result"),
            *([("comparison", "Comparison")] if against else []),
            ("mistakes", "Mistakes"),
            *([("learning", "Learning")] if shown.epochs else []),
            ("data", "Data"),
            ("believe", "Belief"),
        ],
        "verdict": report_words.verdict(shown.outcome, shown.side),
        "badges": report_words.badges(shown.outcome, shown.side),
        "figures": report_words.figures(shown.scores),
        "also": report_words.also(shown.outcome, shown.side),
        "comparisons": [comparison_words.table(one) for one in against],
        "confusion": report_words.confusion(shown.scores["confusion_matrix"]),
        "by_class": plots["by_class"],
        "sheet": [{**one, "probability": f"{one['probability']:.1%}"} for one in shown.mistakes],
        "votes": report_words.votes(shown.scores.get("votes")),
        "curves": [plots[key] for key in ("accuracy", "macro_f1", "loss") if key in plots],
        "data": report_words.data(shown.outcome, shown.side),
        "sheets": shown.sheets,
        "reliability": plots["reliability"],
        "repeat": f"{_REPEAT}{first}",
        "command": command,
        "digests": _digests(shown.outcome),
        "config_yaml": run.read_bytes(CONFIG).decode(),
        "versions": _versions(),
    }


def _digests(outcome: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What was trained or scored, to the byte."""
    told = [("the faces (content of the prepared dataset)", outcome.get("content"))]
    told.append(("the model's file (SHA-256)", outcome.get("model_sha256")))
    told += [
        (f"{one['name']} (SHA-256)", one["model_sha256"]) for one in outcome.get("against", ())
    ]
    return [(what, digest) for what, digest in told if digest]


def _versions() -> list[tuple[str, str]]:
    return [(name, metadata.version(name)) for name in _PACKAGES]
