"""A run's own figures for Prometheus: gauges, tagged with the run's name, while the run is at work.

Ray's agent on a node exports those of the node's processes, with ``ray_`` before each name. It
forgets one that was not set for two of its reports (20 s in all), so all are set again and again,
and are seen no more once the run has ended. A run is told by its name alone: a URI may tell more
than who reads metrics should know.
"""

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

from ray.util.metrics import Gauge

SHOWN_EVERY_S = 1.0  # as often as Ray's agent can be told to report; by default it does every 10 s

GAUGES: Mapping[str, str] = {
    "fer_ray_refused_rows": "Rows of the run's dataset that are no faces.",
    "fer_ray_planned_epochs": "Epochs that the run trains at most.",
    "fer_ray_epoch": "Epochs that are trained.",
    "fer_ray_images_per_second": "Faces trained on in a second of the last epoch.",
    "fer_ray_training_loss": "Mean loss of the last epoch's steps.",
    "fer_ray_validation_loss": "Mean loss over the validation side.",
    "fer_ray_validation_accuracy": "Share of the validation faces that are named rightly.",
    "fer_ray_validation_macro_f1": "Mean of the emotions' F1 on the validation side.",
    "fer_ray_checkpoint_wait_seconds": (
        "How long steps have waited for checkpoints since the epoch before the last ended."
    ),
}

logger = logging.getLogger(__name__)


@contextmanager
def shown(run: str, told: Mapping[str, float]) -> Iterator[Callable[[Mapping[str, Any]], None]]:
    """Show what is ``told`` of a run, by gauge, and the last epoch that the block hands over.

    A fault in that ends the showing, and is logged: no run fails since nobody sees its figures.
    """
    epochs: list[Mapping[str, Any]] = []
    done = threading.Event()
    thread = threading.Thread(target=_show, args=(run, told, epochs, done), daemon=True)
    thread.start()
    try:
        yield epochs.append
    finally:
        done.set()
        thread.join()


def _show(
    run: str, told: Mapping[str, float], epochs: list[Mapping[str, Any]], done: threading.Event
) -> None:
    try:
        while True:
            last = done.wait(SHOWN_EVERY_S)
            figures = {**told, **(of_epoch(epochs[-1]) if epochs else {})}
            for name, figure in figures.items():
                _gauge(name).set(figure, {"run": run})
            if last:
                return
    except Exception as error:  # noqa: BLE001 whatever it is, the run goes on
        logger.warning("Prometheus sees no more of run %s: %r", run, error)


def of_epoch(epoch: Mapping[str, Any]) -> dict[str, float]:
    """What the gauges show of an epoch's record: a loss that is not finite is not shown.

    Ray exports neither NaN nor infinity, without a word.
    """
    validation = epoch["validation"]
    figures = {
        "fer_ray_epoch": epoch["epoch"],
        "fer_ray_images_per_second": epoch["images_per_s"],
        "fer_ray_training_loss": epoch["train"]["loss"],
        "fer_ray_validation_loss": validation["loss"],
        "fer_ray_validation_accuracy": validation["accuracy"],
        "fer_ray_validation_macro_f1": validation["macro_f1"],
        "fer_ray_checkpoint_wait_seconds": epoch["save_wait_s"],
    }
    return {name: figure for name, figure in figures.items() if figure is not None}


@cache
def _gauge(name: str) -> Gauge:
    """The gauge of a name in this process."""
    return Gauge(name, GAUGES[name], tag_keys=("run",))
