"""A sweep's page: what won, by how much, and what each setting did."""

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from fer_ray.runs import results, sweep_plots, trials
from fer_ray.runs.layout import CONFIG, SWEEP_PAGE, WINNER
from fer_ray.runs.pages import rendered
from fer_ray.runs.storage import Store
from fer_ray.runs.sweep_plots import short

_REPEAT = (
    "On the same versions, kind of processor and threads, this trains the winner again, to the bit."
)
_ELSEWHERE = f" Fetch {WINNER} from the sweep's folder first."
_PAIR = ("optimizer.learning_rate", "training.batch_size")  # the paper's question


def write(
    sweep: Store, outcome: Mapping[str, Any], tune: Mapping[str, Any], select_by: str
) -> None:
    """Write ``sweep/index.html``.

    Args:
        sweep: the folder, its results written.
        outcome: of the sweep, as ``run.json`` will have it.
        tune: its section ``tune``.
        select_by: the validation metric that trials are compared by.
    """
    rows = results.rows(sweep, select_by)
    learned = {one.number: trials.epochs_of(sweep, one) for one in trials.read_all(sweep)}
    sweep.write_bytes(
        SWEEP_PAGE,
        rendered("sweep.html.j2", _context(sweep, rows, learned, outcome, tune, select_by)),
    )


def _context(
    sweep: Store,
    rows: Sequence[Mapping[str, Any]],
    learned: Mapping[int, Sequence[Mapping[str, Any]]],
    outcome: Mapping[str, Any],
    tune: Mapping[str, Any],
    select_by: str,
) -> dict[str, Any]:
    keys, metric = list(tune["search"]), f"validation {_words(select_by)}"
    winner = outcome.get("winner")
    won = winner["trial"] if winner else None
    failed = [(row["trial"], row["error"]) for row in rows if row["status"] == "failed"]
    across, down = _PAIR if set(_PAIR) <= set(keys) else (*keys, keys[0])[:2]
    yaml = sweep.read_bytes(WINNER).decode() if winner else "no trial has won"
    return {
        "title": f"Sweep {outcome['run']}",
        "kind": "fer_ray · sweep",
        "contents": [
            *(("verdict", "Result"), ("settings", "Settings"), ("curves", "Curves")),
            *(("trials", "Trials"), ("repeat", "Repeat it")),
        ],
        "verdict": _verdict(outcome, select_by),
        "badges": _badges(outcome, failed),
        "figures": _figures(outcome, select_by),
        "against": [
            sweep_plots.against(rows, key, metric, _is_log(tune["search"][key]), won)
            for key in keys
        ],
        "heat": sweep_plots.heat(rows, across, down, metric) if len(keys) > 1 else None,
        "importance": sweep_plots.importance(rows, keys, metric),
        "curves": sweep_plots.curves(learned, rows, metric, select_by, won),
        "columns": [
            "trial",
            *(key.rpartition(".")[2] for key in keys),
            "seed",
            "end",
            "epochs",
            "best epoch",
            metric,
            "training accuracy",
            "s an epoch",
        ],
        "rows": [_row(row, keys, won) for row in _by_metric(rows)],
        "errors": failed,
        "repeat": (_REPEAT + ("" if sweep.local else _ELSEWHERE))
        if winner
        else "No trial ran to its end.",
        "command": f"python jobs/train.py --config {shlex.quote(_at_hand(sweep))}"
        if winner
        else "",
        "winner_yaml": yaml,
        "config_yaml": sweep.read_bytes(CONFIG).decode(),
    }


def _at_hand(sweep: Store) -> str:
    """Where ``train`` finds the winner's settings: their path, or their name once fetched."""
    return sweep.path(WINNER) if sweep.local else WINNER.rpartition("/")[2]


def _verdict(outcome: Mapping[str, Any], select_by: str) -> str:
    """The sweep in two sentences."""
    counts = outcome["trials"]
    of = f"Of {sum(counts.values())} trials"
    winner = outcome.get("winner")
    if winner is None:
        return f"{of}, none won: no point's trials all ran to their end."
    point = ", ".join(f"{key} {short(value)}" for key, value in winner["point"].items())
    first = f"{of}, the one with {point} came first"
    second = outcome.get("second")
    if second is None:
        return f"{first}, and it alone ran to its end."
    lead = winner[f"validation_{select_by}"] - second[f"validation_{select_by}"]
    told = f"{first}, {lead:.3f} of validation {_words(select_by)} before the second"
    if second["within_noise"]:
        error = second["standard_error_of_the_difference"]
        return f"{told}. That is within noise (standard error {error:.3f}): take either."
    return f"{told}, which is more than noise."


def _badges(outcome: Mapping[str, Any], failed: Sequence[tuple[int, str]]) -> list[tuple[str, str]]:
    counts = outcome["trials"]
    stopped = [(f"{counts['stopped']} stopped early", "trials")] if counts["stopped"] else []
    leaky = (
        [("leaky: siblings of test faces are trained on", "verdict")] if outcome["leaky"] else []
    )
    close = outcome.get("second", {}).get("within_noise")
    return [
        *leaky,
        *([("winner within noise of the second", "trials")] if close else []),
        *stopped,
        *([(f"{len(failed)} failed", "failed")] if failed else []),
    ]


def _figures(outcome: Mapping[str, Any], select_by: str) -> list[tuple[str, str, str]]:
    if "winner" not in outcome:
        return []
    winner, scores = outcome["winner"], outcome["metrics"]
    deviation = winner.get("standard_deviation")
    faces = sum(outcome["counts"]["test"].values())
    return [
        (
            f"validation {_words(select_by)}",
            f"{winner[f'validation_{select_by}']:.3f}",
            f"± {deviation:.3f} over the seeds" if deviation is not None else "",
        ),
        ("test accuracy", f"{scores['test']['accuracy']:.1%}", f"of {faces:,} faces, scored once"),
        ("test macro-F1", f"{scores['test']['macro_f1']:.3f}", ""),
    ]


def _row(row: Mapping[str, Any], keys: Sequence[str], won: int | None) -> dict[str, Any]:
    def figure(value: float | None, form: str) -> str:
        return "–" if value is None else format(value, form)

    return {
        "name": row["trial"],
        "won": row["trial"] == won,
        "cells": [
            *(short(row[key]) for key in keys),
            row["seed"],
            row["status"],
            row["epochs"],
            figure(row["best_epoch"], "d"),
            figure(row["metric"], ".3f"),
            figure(row["train_accuracy"], ".3f"),
            figure(row["seconds"] / row["epochs"] if row["epochs"] else None, ".1f"),
        ],
    }


def _by_metric(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return sorted(
        rows, key=lambda row: -1 if row["metric"] is None else row["metric"], reverse=True
    )


def _is_log(way: Mapping[str, Sequence[Any]]) -> bool:
    return next(iter(way)).startswith("log")


def _words(select_by: str) -> str:
    return {"macro_f1": "macro-F1"}.get(select_by, select_by)
