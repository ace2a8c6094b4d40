"""What a doctor finds in a run's folder, and the table in which a person reads it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from fer_ray.runs.layout import CONFIG, DATA, EPOCHS, GROUPS, LEASE, OUTCOME

State = Literal["whole", "damaged", "missing", "left over", "unknown"]


@dataclass(frozen=True)
class Finding:
    """One file or folder of a run: its key, what became of it, and more in a few words.

    ``left over``: of a process that was killed, and nobody needs it; ``unknown``: no run writes it.
    """

    key: str
    state: State
    told: str


@dataclass(frozen=True)
class Diagnosis:
    """All findings, and what the same command with the same ``run`` would do with them."""

    findings: tuple[Finding, ...]
    finished: bool
    resume_step: int | None  # of the newest checkpoint that verifies with all it needs

    @property
    def damaged(self) -> tuple[Finding, ...]:
        """What is not as it was written, or not there any more."""
        return self._of("damaged", "missing")

    @property
    def left_over(self) -> tuple[Finding, ...]:
        """What may be deleted when no job is at work on the run."""
        return self._of("left over")

    @property
    def prospect(self) -> str:
        """What a resume would use, in a sentence."""
        read = {CONFIG, OUTCOME} | (set() if self.finished else {DATA, LEASE, EPOCHS, GROUPS})
        for one in self._of("damaged"):
            if one.key.partition("/")[0] in read:
                return f"a resume would fail, because of {one.key}"
        if self.finished:
            return "the run is finished: there is nothing to resume"
        if self.resume_step is None:
            return "a resume would begin at step 0: no checkpoint is complete"
        return f"a resume would go on from step {self.resume_step}"

    def _of(self, *states: State) -> tuple[Finding, ...]:
        return tuple(one for one in self.findings if one.state in states)


def table(diagnosis: Diagnosis) -> str:
    """The findings as lines of key, state and words, and the prospect below."""
    rows = [(one.key, one.state, one.told) for one in diagnosis.findings]
    widths = [_widest([row[column] for row in rows]) for column in (0, 1)]
    lines = [
        f"{key:<{widths[0]}}  {state:<{widths[1]}}  {told}".rstrip() for key, state, told in rows
    ]
    return "\n".join([*lines, diagnosis.prospect]) + "\n"


def _widest(texts: Sequence[str]) -> int:
    return max(map(len, texts), default=0)
