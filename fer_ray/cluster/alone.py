"""Ray's trainer for a Ray that the job started for itself."""

from typing import Any

from ray.train.tensorflow import TensorflowTrainer
from ray.train.v2._internal.callbacks.placement_group_callback import PlacementGroupCleanerCallback


class TrainerAlone(TensorflowTrainer):
    """One without the process that gives back a dead controller's reservation.

    That process asks the dashboard whether the controller lives, once a second. Where there is no
    dashboard it is never told, and costs 4 CPU s to start and a fiftieth of a core.
    """

    def _create_default_callbacks(self) -> list[Any]:  # private to Ray 2.60
        """Ray's, but for that one; called when training starts."""
        own = super()._create_default_callbacks()  # type: ignore[misc]  # Ray types the old one
        return [one for one in own if not isinstance(one, PlacementGroupCleanerCallback)]
