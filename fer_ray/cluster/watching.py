"""For who is watching, a person or Prometheus: each epoch, told from what the run has written."""

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from fer_ray.config import TrainingConfig
from fer_ray.runs import metrics
from fer_ray.runs.faults import StorageError
from fer_ray.runs.storage import Store

LOOK_EVERY_S = 1.0

logger = logging.getLogger(__name__)


Tell = Callable[[Mapping[str, Any]], None]


@contextmanager
def watching(
    run: Store, training: TrainingConfig, seen: int, tell: Tell | None = None
) -> Iterator[None]:
    """Log each epoch after the ``seen`` first as soon as its metrics are there, from a thread.

    ``tell``, if there is one, is handed them too, in that thread.
    """
    done = threading.Event()
    thread = threading.Thread(target=_follow, args=(run, training, seen, tell, done), daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _follow(
    run: Store, training: TrainingConfig, seen: int, tell: Tell | None, done: threading.Event
) -> None:
    while True:
        last = done.wait(LOOK_EVERY_S)
        try:
            for epoch in metrics.read_all(run, after=seen):
                seen = epoch["epoch"]
                if tell:
                    tell(epoch)
                logger.info("%s", line(epoch, training))
        except StorageError as error:  # the workers' business; the next look may go well
            logger.warning("no news of the run: %s", error)
        if last:
            return


def line(epoch: Mapping[str, Any], training: TrainingConfig) -> str:
    """One epoch's figures for a person, with the time that the rest will take at most."""
    left = (training.epochs - epoch["epoch"]) * epoch["seconds"]
    validation = epoch["validation"]
    return (
        f"epoch {epoch['epoch']}/{training.epochs}"
        f"  loss {_figure(epoch['train']['loss'])}  accuracy {epoch['train']['accuracy']:.3f}"
        f"  validation: loss {_figure(validation['loss'])}  accuracy {validation['accuracy']:.3f}"
        f"  macro-F1 {validation['macro_f1']:.3f}"
        f"{'  (leaky)' if epoch['leaky'] else ''}"
        f"  {epoch['images_per_s']:.0f} images/s  {duration(left)} left"
    )


def _figure(value: float | None) -> str:
    return "not finite" if value is None else f"{value:.3f}"


def duration(seconds: float) -> str:
    """Seconds in words, such as ``1 h 12 min``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
