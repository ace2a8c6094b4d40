"""A sweep's results: a row for each trial, as Parquet and as csv."""

import io
import json
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from fer_ray.runs import trials
from fer_ray.runs.layout import RESULTS, TRIALS, trial_name
from fer_ray.runs.storage import Store

TIMED = ("seconds", "images_per_s")  # differ from one run of the same trial to the next


def rows(sweep: Store, select_by: str) -> list[dict[str, Any]]:
    """One row a trial, by number: its point, seed, end, and its best epoch by ``select_by``."""
    return [_row(sweep, trial, select_by) for trial in trials.read_all(sweep)]


def write(sweep: Store, table: Sequence[dict[str, Any]]) -> None:
    """Write rows as ``sweep/results.parquet`` and ``.csv``; values of several kinds as JSON."""
    columns = pa.table({name: _column([row[name] for row in table]) for name in table[0]})
    sink = io.BytesIO()
    pq.write_table(columns, sink)
    sweep.write_bytes(f"{RESULTS}.parquet", sink.getvalue())
    text = io.BytesIO()
    pyarrow.csv.write_csv(columns, text)
    sweep.write_bytes(f"{RESULTS}.csv", text.getvalue())


def _column(values: Sequence[Any]) -> pa.Array:
    kinds = {type(value) for value in values if value is not None}
    if len(kinds) > 1 and kinds != {int, float}:
        return pa.array([json.dumps(value) for value in values])
    return pa.array(
        [float(v) for v in values] if kinds == {int, float} and None not in values else values
    )


def _row(sweep: Store, trial: trials.Trial, select_by: str) -> dict[str, Any]:
    epochs = trials.epochs_of(sweep, trial)
    best = trials.best_of(epochs, select_by)
    validation = best["validation"] if best else {}
    seconds = [epoch["seconds"] for epoch in epochs]
    rates = [epoch["images_per_s"] for epoch in epochs]
    return {
        "trial": trial.number,
        **trial.point,
        "seed": trial.seed,
        "status": trial.status,
        "epochs": trial.epochs,
        "best_epoch": best["epoch"] if best else None,
        "metric": validation.get(select_by),
        "validation_accuracy": validation.get("accuracy"),
        "validation_macro_f1": validation.get("macro_f1"),
        "validation_loss": validation.get("loss"),
        "train_accuracy": best["train"]["accuracy"] if best else None,
        "seconds": sum(seconds),
        "images_per_s": sorted(rates)[len(rates) // 2] if rates else None,
        "run": f"{TRIALS}/{trial_name(trial.number)}",
        "error": trial.error,
    }
