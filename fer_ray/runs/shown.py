"""What a report is about, for those who find it out and leave the drawing to another process."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Shown:
    """What a report is about."""

    outcome: Mapping[str, Any]  # as ``run.json`` will have it
    side: str  # whose scores are shown
    job: str = "train"
    epochs: Sequence[Mapping[str, Any]] = ()  # the metrics of each; none where nothing was trained
    mistakes: Sequence[Mapping[str, Any]] = ()  # of ``faces.sheets.captioned``
    sheets: Sequence[Mapping[str, Any]] = ()  # title, columns, rows of faces

    @property
    def scores(self) -> Mapping[str, Any]:
        """The scores that the page is about."""
        scores: Mapping[str, Any] = self.outcome["metrics"][self.side]
        return scores
