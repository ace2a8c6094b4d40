"""What the drill's faults share: what a fault came to, and what an undisturbed run did."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tests.drill.place import Place
from tests.drill.runs import EVERY, Run, wait_for

STRUCK = 95  # the step that a run has reached before anything happens to it: not an epoch's end


@dataclass(frozen=True)
class Row:
    """What a fault came to."""

    fault: str
    done: str
    recovered_s: float  # until there was a newer checkpoint than before the fault
    again: str  # steps that were trained twice
    same: bool  # as the undisturbed run: weights, or global batches where the workers changed
    of: str = "weights"


@dataclass(frozen=True)
class Reference:
    """What an undisturbed run came to."""

    digests: dict[str, str]
    batches: Sequence[str]

    @classmethod
    def of(cls, run: Run) -> "Reference":
        """What ``run``, which has ended, came to."""
        return cls(run.digests(), run.batches())


Fault = Callable[[Place, Reference], Row]


def undisturbed(place: Place) -> Reference:
    """A run that nothing happens to."""
    run = place.run("undisturbed")
    with place.cluster() as there:
        run.start(there)
        run.done()
    return Reference.of(run)


def row(run: Run, name: str, done: str, at: int, seconds: float, alike: bool) -> Row:
    """The row of a fault that struck ``run`` when it had a checkpoint of step ``at``."""
    back = at - run.groups()[-1]["step"]
    return Row(name, done, seconds, f"{back} to {back + EVERY} steps", alike)


def again(run: Run, there: Mapping[str, str], at: int) -> float:
    """Start another job for ``run``, and let it end; how long it took to be further than ``at``."""
    began = time.monotonic()
    run.start(there)
    wait_for(lambda: run.saved() > at, "a newer checkpoint")
    seconds = time.monotonic() - began
    run.done()
    return seconds


def same(run: Run, reference: Reference) -> bool:
    """Whether ``run`` came to the same weights, by the same global batches."""
    return run.digests() == reference.digests and run.batches() == reference.batches
