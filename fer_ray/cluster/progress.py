"""How far a run has come: what the loop remembers besides arrays, a value that survives JSON."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from fer_ray.config import OptimizerConfig, TrainingConfig
from fer_ray.network.schedule import EarlyStopping, Plateau


@dataclass(frozen=True)
class Best:
    """The best epoch so far, and the checkpoint that holds it."""

    epoch: int
    step: int
    value: float


@dataclass(frozen=True)
class Progress:
    """The state of the loop after ``step`` steps; ``Progress.of(asdict(p)) == p``."""

    step: int = 0
    plateau: Plateau = field(default_factory=Plateau)
    stopping: EarlyStopping = field(default_factory=EarlyStopping)
    best: Best | None = None
    ended: Literal["early", "diverged"] | None = None
    batches: int = 0  # the tally of the epoch so far

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> "Progress":
        """The value whose ``asdict`` was ``fields``."""
        best = fields["best"]
        return cls(
            step=fields["step"],
            plateau=Plateau(**fields["plateau"]),
            stopping=EarlyStopping(**fields["stopping"]),
            best=None if best is None else Best(**best),
            ended=fields["ended"],
            batches=fields["batches"],
        )

    def asdict(self) -> dict[str, Any]:
        """The fields as JSON takes them."""
        return asdict(self)

    def after_epoch(
        self,
        epoch: int,
        validation: Mapping[str, Any],
        training: TrainingConfig,
        optimizer: OptimizerConfig,
    ) -> "Progress":
        """The value after validation at the end of ``epoch`` (counted from 1)."""
        value = float(validation[training.select_by])
        stopping = self.stopping.after(value, training.early_stopping)
        improved = stopping.wait == 0 and stopping.best == value
        return replace(
            self,
            plateau=self.plateau.after(float(validation["loss"]), optimizer),
            stopping=stopping,
            best=Best(epoch, self.step, value) if improved else self.best,
            ended="early" if stopping.stop else None,
        )


def best_of(about: Mapping[str, Any]) -> tuple[int, ...]:
    """The steps of the checkpoints that one needs beside itself, by its own ``asdict``: its best.

    The weights that a run ends with are in that one.
    """
    best = Progress.of(about).best
    return () if best is None else (best.step,)


def epochs_after(step: int, count: int, batch_size: int) -> int:
    """The epochs of ``count`` faces that are whole after ``step`` steps."""
    return step * batch_size // count
