"""How the learning rate moves, and when to stop: arithmetic on frozen values.

The rate of a step follows from the step's number and, under 'plateau', from one factor; what the
loop must remember between epochs are two values that survive JSON. Nothing here keeps state, so
a resumed run gets the rates of an unbroken one.
"""

import math
from dataclasses import dataclass, replace

from fer_ray.config import OptimizerConfig

PLATEAU_MIN_DELTA = 1e-4  # smaller falls of the loss are noise: ReduceLROnPlateau's default


def learning_rate(
    step: int,
    steps_per_epoch: float,
    total_steps: int,
    settings: OptimizerConfig,
    scale: float = 1.0,
) -> float:
    """The learning rate of a step.

    The first ``warmup_epochs`` climb in a line: step *s* of a warm-up of *w* steps has
    ``(s + 1) / w`` of the rate, so that no step is idle. Then 'cosine' (Loshchilov and Hutter
    2017, https://arxiv.org/abs/1608.03983) falls along half a wave to exactly 0 at the last step,
    'plateau' multiplies by ``scale`` but goes no lower than ``min_learning_rate``, 'constant'
    stays. A warm-up as long as the run leaves no steps to fall in.

    Args:
        step: from 0.
        steps_per_epoch: faces an epoch over the batch size; need not be whole.
        total_steps: of the whole run.
        settings: the highest rate and its schedule.
        scale: the product of 'plateau' reductions so far (``Plateau.scale``).
    """
    highest = settings.learning_rate
    warmup_steps = settings.warmup_epochs * steps_per_epoch
    warmth = min(1.0, (step + 1) / warmup_steps) if warmup_steps > 0 else 1.0
    if settings.schedule == "cosine":
        fall = total_steps - 1 - warmup_steps  # steps between the highest rate and 0
        progress = min(1.0, max(0.0, step - warmup_steps) / fall) if fall > 0 else 0.0
        return highest * warmth * (1 + math.cos(math.pi * progress)) / 2
    if settings.schedule == "plateau":
        lowest = min(settings.min_learning_rate, highest)
        return max(highest * scale, lowest) * warmth
    return highest * warmth


@dataclass(frozen=True)
class Plateau:
    """What ``keras.callbacks.ReduceLROnPlateau`` remembers; ``Plateau(**asdict(p)) == p``.

    ``best``: lowest validation loss so far; ``wait``: epochs since it or since a reduction;
    ``scale``: product of the reductions.
    """

    best: float | None = None
    wait: int = 0
    scale: float = 1.0

    def after(self, loss: float, settings: OptimizerConfig) -> "Plateau":
        """The value after an epoch with that validation loss; one that is not finite is no fall."""
        if math.isfinite(loss) and (self.best is None or loss + PLATEAU_MIN_DELTA < self.best):
            return replace(self, best=loss, wait=0)
        if self.wait + 1 < settings.plateau_patience:
            return replace(self, wait=self.wait + 1)
        return replace(self, wait=0, scale=self.scale * settings.plateau_factor)


@dataclass(frozen=True)
class EarlyStopping:
    """How long validation has not improved; ``EarlyStopping(**asdict(e)) == e``.

    ``best``: highest metric so far; ``wait``: epochs since it, 0 right after the best one;
    ``stop``: that the wait has been long enough.
    """

    best: float | None = None
    wait: int = 0
    stop: bool = False

    def after(self, metric: float, patience: int | None) -> "EarlyStopping":
        """The value after an epoch with that metric (higher is better); no patience: never stops.

        A metric that is not finite is no improvement, and neither is an equal one.
        """
        if math.isfinite(metric) and (self.best is None or metric > self.best):
            return EarlyStopping(best=metric)
        wait = self.wait + 1
        return replace(self, wait=wait, stop=patience is not None and wait >= patience)
