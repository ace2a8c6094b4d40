"""Settings of scheduled retraining: when a challenger takes the champion's place, and by hand.

A champion is the model that production serves; a challenger is what a retraining made of newer
faces.
"""

import getpass
import os
from typing import Self

from pydantic import Field, model_validator

from fer_ray.config import Section, TrainConfig
from fer_ray.names import RunName


class GateConfig(Section):
    """What a challenger must show on the test faces before it takes the champion's place."""

    confidence: float = Field(
        0.96,
        gt=0.5,
        lt=1,
        description="How sure the gain must be: of a one-sided paired bootstrap interval. At 0.96"
        " one of twenty equal models passes (at 0.95 one of seventeen).",
    )
    min_gain: float = Field(
        0.0,
        ge=-1,
        lt=1,
        description="The lower end of the interval of the gain in macro-F1 must exceed this; below"
        " 0 a challenger may be as much worse, so that newer data counts.",
    )
    class_drop: float = Field(
        0.05, ge=0, le=1, description="No emotion's recall may be lower by more than this."
    )
    class_min_support: int = Field(
        100, ge=1, description="Emotions with fewer test faces are told of, and not judged."
    )
    calibration_rise: float = Field(
        0.02,
        ge=0,
        le=1,
        description="The expected calibration error may be higher by at most this.",
    )
    min_faces: int = Field(
        500, ge=1, description="Fewer test faces than this can show nothing: refused."
    )


class RetrainSection(Section):
    """What ``jobs/retrain.py`` is asked for, beside a retraining."""

    warm_start: bool = Field(
        False,
        description="Begin from the champion's weights instead of fresh ones: sooner good, and"
        " never rid of what the champion learned.",
    )
    promote: RunName = Field(
        None, description="Make this run (its name under storage.uri) champion, without a gate."
    )
    rollback: bool = Field(
        False, description="Make the model champion again that was so before the one that is."
    )
    who: str | None = Field(
        None, min_length=1, description="Who asks; kept in the history. By default the user's name."
    )
    why: str | None = Field(
        None, min_length=1, description="Why; kept in the history, and required by both."
    )

    @property
    def signed(self) -> str:
        """Who asks; a pod's user may have no name."""
        try:
            return self.who or getpass.getuser()
        except (KeyError, OSError):
            return f"user {os.getuid()}"

    @property
    def by_hand(self) -> bool:
        """Whether the champion is set without a retraining."""
        return self.promote is not None or self.rollback

    @model_validator(mode="after")
    def _by_hand_with_a_reason(self) -> Self:
        if self.promote is not None and self.rollback:
            raise ValueError(
                "retrain.promote and retrain.rollback must not stand together, got both"
            )
        if self.by_hand and self.why is None:
            raise ValueError("retrain.why must say why a champion is set by hand, got nothing")
        return self


class RetrainConfig(TrainConfig):
    """Settings of ``jobs/retrain.py``."""

    gate: GateConfig = GateConfig()
    retrain: RetrainSection = RetrainSection()

    @property
    def reads_faces(self) -> bool:
        """Not where the champion is set by hand."""
        return not self.retrain.by_hand

    @model_validator(mode="after")
    def _sides_stay(self) -> Self:
        if self.reads_faces and self.split.protocol != "hashed":
            raise ValueError(
                "split.protocol must be 'hashed' for retraining, under which a face keeps its side"
                f" as others join, got {self.split.protocol!r}"
            )
        return self
