"""What a sweep's trials came to, drawn: against each setting, over epochs, and by importance."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from sklearn.ensemble import RandomForestRegressor
from sklearn.inspection import permutation_importance

from fer_ray.runs.plots import ACCENT, INK, MUTED, PAPER, Plot, drawing

FEWEST = 6  # trials that say anything of importance
_DECADES = 50  # a range over so large a factor is read on a log axis
_BINS = 4  # of a range in the heat map

Row = Mapping[str, Any]  # of ``results.rows``


def against(rows: Sequence[Row], key: str, metric: str, log: bool, won: int | None) -> Plot:
    """The metric of each trial against one setting."""
    told = _counting(rows)
    best = max(told, key=lambda row: row["metric"], default=None)
    found = (
        f"The best trial had {key} {short(best[key])}." if best else "No trial came to a metric."
    )
    name = f"against-{key.replace('.', '-')}"
    with drawing(name, f"{metric} against {key}. {found}") as plot:
        axes = plot.axes
        places, labels = _places([row[key] for row in told])
        for row, place in zip(told, places, strict=True):
            done, winner = row["status"] == "done", row["trial"] == won
            axes.plot(
                place,
                row["metric"],
                marker="o",
                markersize=9 if winner else 6,
                markerfacecolor=(ACCENT if winner else INK) if done else PAPER,
                markeredgecolor=ACCENT if winner else INK,
            )
            if winner:
                axes.annotate("winner", (place, row["metric"]), (8, 4), color=ACCENT, **_POINTS)
        if labels:
            axes.set_xticks(range(len(labels)), labels)
            axes.set_xlim(-0.5, len(labels) - 0.5)
        elif log or (places and min(places) > 0 and max(places) / min(places) >= _DECADES):
            axes.set_xscale("log")
        _plain(axes, metric)
        axes.set_xlabel(key)
    stopped = any(row["status"] == "stopped" for row in told)
    plot.caption = found + (" Hollow: stopped early." if stopped else "")
    return plot


def curves(
    learned: Mapping[int, Sequence[Mapping[str, Any]]],
    rows: Sequence[Row],
    metric: str,
    select_by: str,
    won: int | None,
) -> Plot:
    """Each trial's metric by epoch."""
    ends = {row["trial"]: row["status"] for row in rows}
    stopped = sum(status == "stopped" for status in ends.values())
    caption = f"{len(ends)} trials" + (
        f", {stopped} of them stopped early (dashed)." if stopped else "."
    )
    with drawing("curves", f"{metric} by epoch of {caption}", width=8) as plot:
        axes = plot.axes
        for number, epochs in sorted(learned.items(), key=lambda item: item[0] == won):
            winner = number == won
            values = [epoch["validation"][select_by] for epoch in epochs]
            axes.plot(
                [epoch["epoch"] for epoch in epochs],
                values,
                color=ACCENT if winner else MUTED,
                linewidth=2.5 if winner else 1,
                linestyle="-" if ends[number] == "done" else "--",
                marker="o" if len(epochs) == 1 else None,
                markersize=4,
            )
            if winner and epochs:
                text = f"trial {number}, the winner"
                axes.annotate(
                    text,
                    (epochs[-1]["epoch"], values[-1]),
                    (4, 6),
                    color=ACCENT,
                    ha="right",
                    **_POINTS,
                )
        _plain(axes, metric)
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return plot


def importance(rows: Sequence[Row], keys: Sequence[str], metric: str) -> Plot | None:
    """How much of the metric a random forest owes to each setting; none of too few trials.

    By how far its R² falls when one setting's values are shuffled over the trials, 30 times.
    """
    told = _counting(rows)
    if len(told) < FEWEST or len(keys) < 2:
        return None
    columns = [_codes([row[key] for row in told]) for key in keys]
    inputs, values = np.column_stack(columns), np.array([row["metric"] for row in told])
    if np.ptp(values) == 0:
        return None
    forest = RandomForestRegressor(200, random_state=0).fit(inputs, values)
    fall = permutation_importance(forest, inputs, values, n_repeats=30, random_state=0)
    order = np.argsort(fall.importances_mean)
    most = keys[int(order[-1])]
    found = f"{most} made most of the difference."
    with drawing(
        "importance", f"Importance of the settings. {found}", height=1 + 0.5 * len(keys)
    ) as plot:
        axes = plot.axes
        axes.barh([keys[i] for i in order], fall.importances_mean[order], color=INK, height=0.6)
        axes.errorbar(
            fall.importances_mean[order],
            range(len(keys)),
            fmt="none",
            ecolor=MUTED,
            xerr=fall.importances_std[order],
            elinewidth=1,
        )
        axes.set_title(f"What {metric} depends on")
        axes.set_xlabel("fall of R² when the setting is shuffled")
    plot.caption = f"{found} From {len(told)} trials by a random forest: a hint, no test."
    return plot


def heat(rows: Sequence[Row], across: str, down: str, metric: str) -> dict[str, Any] | None:
    """The mean metric by two settings as a table; ranges in bins. None if there is nothing."""
    told = _counting(rows)
    if not told:
        return None
    columns, column_of = _bins([row[across] for row in told])
    lines, line_of = _bins([row[down] for row in told])
    cells: dict[tuple[int, int], list[float]] = {}
    for row, i, j in zip(told, line_of, column_of, strict=True):
        cells.setdefault((i, j), []).append(row["metric"])
    means = {place: float(np.mean(values)) for place, values in cells.items()}
    low, high = min(means.values()), max(means.values())

    def cell(place: tuple[int, int]) -> dict[str, Any]:
        if place not in means:
            return {"share": 0, "value": "–", "count": "no trial"}
        share = (means[place] - low) / (high - low) if high > low else 0.5
        count = len(cells[place])
        return {
            "share": round(0.05 + 0.3 * share, 3),
            "value": f"{means[place]:.3f}",
            "count": f"{count} trial{'s' if count > 1 else ''}",
        }

    return {
        "title": f"{down} against {across}",
        "caption": f"Mean {metric} of the trials in each cell, stopped ones as far as they came.",
        "corner": f"{down.rpartition('.')[2]} ↓ {across.rpartition('.')[2]} →",
        "columns": columns,
        "rows": [
            (name, [cell((i, j)) for j in range(len(columns))]) for i, name in enumerate(lines)
        ],
    }


def short(value: Any) -> str:
    """A setting's value as a person reads it."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


_POINTS: dict[str, Any] = {"textcoords": "offset points"}


def _counting(rows: Sequence[Row]) -> list[Row]:
    """Trials whose metric is worth something: not of those that failed."""
    return [row for row in rows if row["metric"] is not None and row["status"] != "failed"]


def _plain(axes: Axes, metric: str) -> None:
    axes.set_title(metric)
    axes.margins(y=0.15)


def _is_range(values: Sequence[Any]) -> bool:
    numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
    return numbers and len(set(values)) > 6


def _places(values: Sequence[Any]) -> tuple[list[Any], list[str]]:
    """Where values stand on an axis, and its labels where it is one of names."""
    if _is_range(values):
        return list(values), []
    names = _sorted(values)
    return [names.index(value) for value in values], [short(name) for name in names]


def _sorted(values: Sequence[Any]) -> list[Any]:
    return sorted(
        set(values), key=lambda value: (value is None, isinstance(value, str), value or 0)
    )


def _codes(values: Sequence[Any]) -> np.ndarray:
    """Numbers in an order that a tree can split."""
    names = _sorted(values)
    return np.array([names.index(value) for value in values])


def _bins(values: Sequence[Any]) -> tuple[list[str], list[int]]:
    """Names of bins, and each value's; every value is its own bin unless they are a range."""
    if not _is_range(values):
        names = _sorted(values)
        return [short(name) for name in names], [names.index(value) for value in values]
    edges = np.quantile(values, np.linspace(0, 1, _BINS + 1))
    places = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, _BINS - 1)
    names = [f"{short(float(a))} – {short(float(b))}" for a, b in pairwise(edges)]
    return names, [int(place) for place in places]
