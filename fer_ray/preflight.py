"""Settings of preflight: what is tried before a run is begun, and what its time costs."""

from typing import Self

from pydantic import Field, model_validator

from fer_ray.config import Section, TrainConfig


class PreflightSection(Section):
    """What is tried beside storage, data and nodes."""

    rehearse: bool = Field(
        False,
        description="Also start the run's workers, take steps of its batch size on drawn faces,"
        " and resume: shows that they fit in memory, agree, and how fast they are.",
    )
    gpu: bool = Field(
        False,
        description="Also see that TensorFlow computes on a GPU, and rehearse with GPUs; with"
        " cluster.use_gpu. Waits for the workers for cluster.resource_timeout_s at most.",
    )
    worker_price: float | None = Field(
        None, ge=0, description="What a worker costs an hour, in any currency: told as a run's."
    )

    @property
    def rehearses(self) -> bool:
        """Whether workers are started."""
        return self.rehearse or self.gpu


class PreflightConfig(TrainConfig):
    """Settings of ``jobs/preflight.py``: those of the run, and what is tried."""

    preflight: PreflightSection = PreflightSection()

    @model_validator(mode="after")
    def _gpus_are_used(self) -> Self:
        if self.preflight.gpu and not self.cluster.use_gpu:
            raise ValueError(
                "cluster.use_gpu must be true with preflight.gpu, as in the run that is to come,"
                " got false"
            )
        return self
