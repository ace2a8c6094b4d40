"""Tables of faces, told apart into sides: what tasks do when a dataset is prepared.

What is counted adds up over any parts of the faces. ``resolve`` takes parts too, but all faces of
one id must be in the same.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fer_ray.config import DataConfig, SplitConfig
from fer_ray.faces import split
from fer_ray.faces.emotions import EMOTIONS
from fer_ray.faces.rows import SCHEMA
from fer_ray.faces.split import SIDES


@dataclass(frozen=True)
class Census:
    """What was read: rows that are faces by label and usage, and rows that are refused."""

    labels: Counter[int] = field(default_factory=Counter)
    usages: Counter[str] = field(default_factory=Counter)
    refused: int = 0
    first_refused: str | None = None  # by name of source, with its reason

    @classmethod
    def of(cls, raw: pa.Table) -> "Census":
        """The census of ``raw``, a table of ``RAW_SCHEMA``."""
        faces, refused = accepted(raw), refusals(raw).to_pylist()
        return cls(
            Counter(faces["label"].to_pylist()),
            Counter(faces["usage"].to_pylist()),
            len(refused),
            min((f"{row['source']}: {row['reason']}" for row in refused), default=None),
        )

    def __add__(self, other: "Census") -> "Census":
        firsts = [one for one in (self.first_refused, other.first_refused) if one is not None]
        return Census(
            self.labels + other.labels,
            self.usages + other.usages,
            self.refused + other.refused,
            min(firsts, default=None),
        )

    @property
    def faces(self) -> int:
        """Rows that are not refused."""
        return self.labels.total()

    def check(self, settings: DataConfig) -> None:
        """Raises ``ValueError`` if too many rows are refused, or an emotion has no face."""
        self.check_refused(settings)
        absent = [name for label, name in enumerate(EMOTIONS) if not self.labels[label]]
        if absent:
            raise ValueError(
                f"data.uri must hold faces of every emotion, got none of {', '.join(absent)}"
            )

    def check_refused(self, settings: DataConfig) -> None:
        """Raises ``ValueError`` if too many rows are refused, or none is a face."""
        rows = self.faces + self.refused
        if self.refused > settings.max_refused * rows:
            raise ValueError(
                f"data.max_refused must be at least {self.refused / rows:.3g}, the share of refused"
                f" rows ({self.refused} of {rows}, the first {self.first_refused}),"
                f" got {settings.max_refused:g}"
            )
        if not self.faces:
            raise ValueError("data.uri must hold faces, got none")


@dataclass(frozen=True)
class Summary:
    """What a split did: faces kept by side and label, faces dropped by reason, duplicates."""

    counts: Counter[tuple[str, int]] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    duplicates: Counter[str] = field(default_factory=Counter)

    def __add__(self, other: "Summary") -> "Summary":
        return Summary(
            self.counts + other.counts,
            self.dropped + other.dropped,
            self.duplicates + other.duplicates,
        )

    def by_emotion(self, side: str) -> dict[str, int]:
        """The faces of one side."""
        return {name: self.counts[side, label] for label, name in enumerate(EMOTIONS)}

    def check(self) -> None:
        """Raises ``ValueError`` if a side is empty, or the training side lacks an emotion."""
        for side in SIDES:
            if not any(self.by_emotion(side).values()):
                raise ValueError(f"data.uri must hold enough faces for every side, got no {side}")
        absent = [name for name, count in self.by_emotion("train").items() if not count]
        if absent:
            raise ValueError(
                "data.uri must hold enough faces of every emotion for the training side,"
                f" got none of {', '.join(absent)} there"
            )


def accepted(raw: pa.Table) -> pa.Table:
    """The rows of ``raw`` that are faces."""
    return raw.filter(pc.is_null(raw["reason"]))


def refusals(raw: pa.Table) -> pa.Table:
    """Source and reason of the refused rows of ``raw``."""
    return raw.select(["source", "reason"]).filter(pc.is_valid(raw["reason"]))


def of_side(faces: pa.Table, side: str) -> pa.Table:
    """The rows of one side out of ``resolve``, as ``SCHEMA`` has them."""
    return faces.filter(pc.equal(faces["side"], side)).select(SCHEMA.names)


def roles_of(settings: SplitConfig, usages: Collection[str]) -> dict[str, str]:
    """The side of each usage under ``official``; no other protocol looks at usages."""
    return split.official_roles(usages) if settings.protocol == "official" else {}


def resolve(
    rows: pa.Table, settings: SplitConfig, roles: Mapping[str, str]
) -> tuple[pa.Table, Summary]:
    """The rows that the duplicate rule keeps, with their ``side``, and what was counted.

    Args:
        rows: columns of ``SCHEMA``, and ``usage`` under ``official``; in order of (id, source).
        settings: of the split.
        roles: from ``roles_of``.
    """
    ids, labels = np.array(rows["id"].to_pylist(), "<U32"), rows["label"].to_numpy()
    sides = _sides(rows, settings, roles)
    fates = split.fates(ids, labels, sides)
    if not settings.deduplicate:
        fates[:] = ""
    kept = fates == ""
    summary = Summary(
        Counter(zip(sides[kept].tolist(), labels[kept].tolist(), strict=True)),
        Counter(fates[~kept].tolist()),
        Counter(split.duplicate_counts(ids, labels, sides)),
    )
    faces = rows.select(SCHEMA.names).append_column("side", pa.array(sides.tolist(), pa.string()))
    return faces.filter(kept), summary


def _sides(rows: pa.Table, settings: SplitConfig, roles: Mapping[str, str]) -> np.ndarray:
    """The side of each row under the protocol of ``settings``."""
    ids = rows["id"].to_pylist()
    if settings.protocol == "official":
        usages = rows["usage"].to_pylist()
        return split.official_sides(ids, usages, roles, settings.validation, settings.seed)
    if settings.protocol == "paper":  # at random: even equal faces fall on different sides
        ids = [f"{face} {name}" for face, name in zip(ids, rows["source"].to_pylist(), strict=True)]
    return split.hashed_sides(ids, settings.fractions, settings.seed)
