"""What a training worker is told of its run; the faces and their order travel beside it."""

from collections.abc import Sequence
from dataclasses import dataclass

from fer_ray.cluster.stream import Faces
from fer_ray.config import TrainConfig
from fer_ray.faces import order
from fer_ray.runs.lease import Guard


@dataclass(frozen=True)
class Work:
    """A run as its workers know it."""

    config: TrainConfig
    guard: Guard  # of the attempt at the run that this is
    count: int  # faces an epoch
    validation: Faces
    pixels: tuple[float, float]  # mean, standard deviation: what the network normalises by
    class_weights: Sequence[float] | None  # of the loss, by label
    leaky: bool = False  # whether siblings of validation's and test's faces are trained on

    @property
    def run_uri(self) -> str:
        """The run's folder."""
        return self.guard.run_uri

    @property
    def last_step(self) -> int:
        """The steps of the whole run."""
        training = self.config.training
        return order.steps_through(training.epochs, self.count, training.batch_size)
