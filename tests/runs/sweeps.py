"""A sweep's folder as trials leave it, written by hand: what a page and a table are made of."""

from typing import Any

from fer_ray.config import TrainConfig
from fer_ray.faces.emotions import EMOTIONS
from fer_ray.runs import layout, metrics, record, trials
from fer_ray.runs.storage import Store

SEARCH = {
    "optimizer.learning_rate": {"loguniform": [1e-4, 1e-1]},
    "training.batch_size": {"choice": [32, 64]},
}
TUNE: dict[str, Any] = {"search": SEARCH, "seeds": 1}


def epoch(number: int, macro_f1: float) -> dict[str, Any]:
    return {
        "epoch": number,
        "train": {"accuracy": 0.5, "loss": 1.0},
        "validation": {"accuracy": macro_f1 + 0.05, "macro_f1": macro_f1, "loss": 1.2},
        "seconds": 2.0 + number,
        "images_per_s": 100.0,
    }


def add(
    sweep: Store,
    number: int,
    point: dict[str, Any],
    values: list[float],
    status: trials.Status = "done",
    replica: int = 0,
    error: str | None = None,
) -> trials.Trial:
    """A trial whose epochs came to ``values``."""
    trial = trials.Trial(number, point, replica, 10 + replica, status, len(values), error)
    trials.write(sweep, trial, may=lambda: None)
    run = sweep.folder(layout.TRIALS, layout.trial_name(number))
    for nth, value in enumerate(values, 1):
        metrics.append(run, nth, epoch(nth, value))
    return trial


def eight(sweep: Store) -> None:
    """Eight trials: five ended, two stopped early, one failed."""
    rates = [1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 2e-2, 5e-2, 1e-1]
    for number, rate in enumerate(rates):
        point = {"optimizer.learning_rate": rate, "training.batch_size": (32, 64)[number % 2]}
        best = 0.6 - 0.1 * abs(number - 3)
        if number == 7:
            add(sweep, number, point, [0.1], "failed", error="ArithmeticError: <script>x</script>")
        elif number in (0, 6):
            add(sweep, number, point, [best / 2], "stopped")
        else:
            add(sweep, number, point, [best / 2, best, best - 0.01])
    record.write_config(sweep, TrainConfig.model_validate({"data": {"uri": "demo:"}}))
    sweep.write_bytes(layout.WINNER, b"seed: 10\n")


def outcome(sweep: Store) -> dict[str, Any]:
    """What ``eight`` came to, as a sweep's ``run.json`` says it."""
    sides = {side: dict.fromkeys(EMOTIONS, 10) for side in layout.SIDES}
    point = {"optimizer.learning_rate": 3e-3, "training.batch_size": 64}
    return {
        "status": "done",
        "run": "a <b>sweep</b>",
        "uri": sweep.uri,
        "trials": {"done": 5, "stopped": 2, "failed": 1},
        "counts": sides,
        "leaky": False,
        "winner": {
            "trial": 3,
            "point": point,
            "seed": 10,
            "validation_macro_f1": 0.6,
            "settings": f"{sweep.uri}/{layout.WINNER}",
        },
        "second": {
            "trial": 2,
            "point": point,
            "validation_macro_f1": 0.5,
            "standard_error_of_the_difference": 0.2,
            "within_noise": True,
        },
        "metrics": {"test": {"accuracy": 0.651, "macro_f1": 0.598}},
    }
