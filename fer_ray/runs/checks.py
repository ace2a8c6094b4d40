"""What was tried before a run, what came of it, and what mends it; and the table of that."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

State = Literal["passed", "warned", "failed", "not tried"]


@dataclass(frozen=True)
class Check:
    """One thing that was tried. ``warned``: the run may begin, and should be known of this."""

    name: str
    state: State
    told: str
    mend: str = ""  # what to do about it; empty where it passed


def tried(
    name: str, mend: str, call: Callable[[], str], kinds: tuple[type[Exception], ...]
) -> Check:
    """What ``call`` tells, passed; failed with its words where it raises one of ``kinds``."""
    try:
        return Check(name, "passed", call())
    except kinds as error:
        return Check(name, "failed", sentence(error), mend)


def sentence(error: Exception) -> str:
    """What an error says, on one line; of one from a task, what its cause says."""
    cause = getattr(error, "cause", None) or error
    lines = str(cause).strip().splitlines()
    return lines[-1] if lines else type(cause).__name__


def failed(checks: Sequence[Check]) -> list[str]:
    """The names of those that failed."""
    return [one.name for one in checks if one.state == "failed"]


def table(checks: Sequence[Check]) -> str:
    """Lines of name, state and words; below one that did not pass, what mends it."""
    names, states = (
        max((len(str(text)) for text in texts), default=0)
        for texts in ([one.name for one in checks], [one.state for one in checks])
    )
    lines = []
    for one in checks:
        lines.append(f"{one.name:<{names}}  {one.state:<{states}}  {one.told}".rstrip())
        if one.mend and one.state != "passed":
            lines.append(f"{'':<{names}}  {'':<{states}}  -> {one.mend}")
    return "\n".join(lines) + "\n"
