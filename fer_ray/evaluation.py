"""Settings of an evaluation: which model, on which faces, against which others."""

import re
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from fer_ray.config import EvaluateConfig, NamedRunConfig
from fer_ray.names import RUN_NAME, absolute


class ModelToEvaluate(EvaluateConfig):
    """Which model is scored, on which faces, and against which others."""

    model: str | None = Field(
        None,
        description="The model: a run's name under storage.uri, a run's folder, or a .keras file,"
        " by path or URI.",
    )
    side: Literal["train", "validation", "test", "all"] = Field(
        "test", description="The faces that are scored: of one side, or 'all'."
    )
    against: tuple[str, ...] = Field(
        (),
        description="Other models, named as 'model' is, scored on the same faces and compared with"
        " it: one, or a list in brackets.",
    )

    @field_validator("against", mode="before")
    @classmethod
    def _as_tuple(cls, value: Any) -> Any:
        if isinstance(value, str):
            names = value.removeprefix("[").removesuffix("]").split(",")
            return tuple(name for one in names if (name := one.strip(" '\"")))
        return tuple(value) if isinstance(value, list) else value

    @field_validator("model", "against")
    @classmethod
    def _absolute(cls, value: Any) -> Any:
        return tuple(map(_named, value)) if isinstance(value, tuple) else value and _named(value)

    @model_validator(mode="after")
    def _model_is_named(self) -> Self:
        if self.model is None:
            raise ValueError("evaluate.model must name the model to score, got none")
        return self


def _named(model: str) -> str:
    """A model's name: a run's as it is, a path made absolute."""
    is_run = re.fullmatch(RUN_NAME, model) and not model.endswith(".keras")
    return model if is_run else absolute(model)


class EvaluateJobConfig(NamedRunConfig):
    """Settings of ``jobs/evaluate.py``."""

    evaluate: ModelToEvaluate = ModelToEvaluate.model_construct()
