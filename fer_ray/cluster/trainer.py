"""Ray's trainer without the processes that these runs have no use for."""

from typing import Any, ClassVar

from ray.train.tensorflow import TensorflowTrainer
from ray.train.v2._internal.callbacks.datasets import DatasetsCallback
from ray.train.v2._internal.callbacks.placement_group_callback import PlacementGroupCleanerCallback


class Trainer(TensorflowTrainer):
    """One without the process that shares datasets out: each worker makes its own stream.

    It would start without any dataset too (2.3 CPU s and 200 MB for each worker group).
    """

    without: ClassVar[tuple[type, ...]] = (DatasetsCallback,)

    def _create_default_callbacks(self) -> list[Any]:  # private to Ray 2.60
        """Ray's, but for those; called when training starts."""
        own = super()._create_default_callbacks()  # type: ignore[misc]  # Ray types the old one
        return [one for one in own if not isinstance(one, self.without)]


class TrainerAlone(Trainer):
    """One for a Ray that the job started: no process gives back a dead controller's reservation.

    That process asks the dashboard whether the controller lives, once a second. Where there is no
    dashboard it is never told, and costs 4 CPU s to start and a fiftieth of a core.
    """

    without = (*Trainer.without, PlacementGroupCleanerCallback)
