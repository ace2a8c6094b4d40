"""Ray's trainer without the processes and the packages that these runs have no use for."""

from collections.abc import Callable
from typing import Any, ClassVar

from ray.train import RunConfig, ScalingConfig
from ray.train.v2._internal.callbacks.datasets import DatasetsCallback
from ray.train.v2._internal.callbacks.placement_group_callback import PlacementGroupCleanerCallback
from ray.train.v2.tensorflow.tensorflow_trainer import TensorflowTrainer

from fer_ray.cluster.backend import MultiWorker


class Trainer(TensorflowTrainer):
    """One whose workers are a ``MultiWorker`` group, each with a stream that it makes itself.

    So there is no process that shares datasets out, which would start without any too (2.3 CPU s
    and 200 MB for each worker group). Nor does TensorFlow load where the trainer is made, as it
    does in Ray's own (2 s before the workers start, and 0.5 GB for as long as they train).
    """

    without: ClassVar[tuple[type, ...]] = (DatasetsCallback,)

    def __init__(
        self,
        loop: Callable[[dict[str, Any]], None],
        told: dict[str, Any],
        scaling: ScalingConfig,
        run: RunConfig,
    ) -> None:
        # Past Ray's own, which imports its TensorflowConfig even where another is given.
        super(TensorflowTrainer, self).__init__(
            loop,
            train_loop_config=told,
            backend_config=MultiWorker(),
            scaling_config=scaling,
            run_config=run,
        )

    def _create_default_callbacks(self) -> list[Any]:  # private to Ray 2.60
        """Ray's, but for those; called when training starts."""
        own = super()._create_default_callbacks()
        return [one for one in own if not isinstance(one, self.without)]


class TrainerAlone(Trainer):
    """One for a Ray that the job started: no process gives back a dead controller's reservation.

    That process asks the dashboard whether the controller lives, once a second. Where there is no
    dashboard it is never told, and costs 4 CPU s to start and a fiftieth of a core.
    """

    without = (*Trainer.without, PlacementGroupCleanerCallback)
