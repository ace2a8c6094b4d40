"""Settings of what only looks: an audit of data, a doctor's look at a run's folder."""

from typing import Self

from pydantic import Field, model_validator

from fer_ray.config import JobConfig, NamedRunConfig, Section, StorageConfig
from fer_ray.names import RunName


class AuditConfig(Section):
    """What is looked for in the data, and whether it may stay."""

    near: float = Field(
        0.97,
        ge=0.9,
        le=1,
        description="Two faces are near duplicates from this correlation on, aligned with each"
        " other, as they are or mirrored (0.97: measured in fer_ray/faces/near.py).",
    )
    strict: bool = Field(
        False,
        description="Refuse data (exit code 3) of whose test faces some stand in training: byte for"
        " byte where split.deduplicate leaves them there, nearly so, mirrored, or as what a made"
        " face was made from.",
    )


class AuditJobConfig(NamedRunConfig):
    """Settings of ``jobs/audit.py``."""

    audit: AuditConfig = AuditConfig()


class DoctorConfig(JobConfig):
    """Settings of ``jobs/doctor.py``."""

    storage: StorageConfig = StorageConfig()
    run: RunName = Field(None, description="The name of the run to look at, under storage.uri.")

    @model_validator(mode="after")
    def _run_is_named(self) -> Self:
        if self.run is None:
            raise ValueError("run must name the run to look at, got none")
        return self
