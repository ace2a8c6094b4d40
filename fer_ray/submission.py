"""Settings of a job that is submitted to a cluster elsewhere."""

from typing import Self

from pydantic import Field, model_validator

from fer_ray.config import JobConfig, Section
from fer_ray.names import RunName


class SubmitSection(Section):
    """Which job runs on which cluster."""

    command: str | None = Field(
        None, min_length=1, description="What the cluster runs; better: the words behind '--'."
    )
    address: str | None = Field(
        None,
        description="The cluster's dashboard, such as http://HEAD:8265; else what"
        " RAY_API_SERVER_ADDRESS or RAY_ADDRESS name, or a cluster on this machine.",
    )
    id: RunName = Field(
        None,
        description="The job's name on its cluster: one that is there is attached to. A new one is"
        " made up when none is given.",
    )
    working_dir: str | None = Field(
        None,
        description="A folder that is uploaded and that the job runs in; none: the image's own.",
    )
    patience_s: float = Field(
        120, ge=0, description="How long a cluster that does not answer is asked again; seconds."
    )

    @model_validator(mode="after")
    def _command_is_given(self) -> Self:
        if self.command is None:
            raise ValueError("submit.command must be what the cluster runs (behind '--'), got none")
        return self


class SubmitConfig(JobConfig):
    """Settings of ``jobs/submit.py``."""

    submit: SubmitSection = SubmitSection.model_construct()
