"""The program broken on purpose, in ways that a year must notice: each is a rule left out."""

import copy
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from fer_ray.cluster import judging, novelty, submitting
from fer_ray.runs import by_hand, champion, lease, versioned
from fer_ray.runs.versioned import Version
from tests.year.schedule import Schedule


def no_history(schedule: Schedule) -> Schedule:
    """A champion's entry is not stored."""
    champion._keep = lambda *_: None
    return schedule


def another_id(schedule: Schedule) -> Schedule:
    """A job that is there is not attached to: it is submitted under a new id."""
    begin = submitting._begin

    def always(client: Any, name: str, *rest: Any) -> None:
        begin(client, name if not submitting._known(client, name) else f"{name}-again", *rest)

    submitting._begin = always
    return schedule


def another_run(schedule: Schedule) -> Schedule:
    """The run's name is made from the moment, not from the tick."""
    args = list(schedule.args)
    place = args.index("--run") + 1
    args[place] = f"retrain-{time.time_ns()}"
    return replace(schedule, args=args)


def torn_pointer(schedule: Schedule) -> Schedule:
    """The pointer is written in place, piece by piece."""

    def write(self: Any, content: bytes, after: Version | None) -> Version | None:
        path: Path = self._path
        path.parent.mkdir(parents=True, exist_ok=True)
        if self.read() != after:
            return None
        half = len(content) // 2
        path.open("wb").write(content[:half])
        with path.open("ab") as sink:
            sink.write(content[half:])
        return self.read()

    versioned._Local.write = write  # type: ignore[method-assign]
    return schedule


def unconditional(schedule: Schedule) -> Schedule:
    """The pointer is written whatever it is by now."""

    def change(runs: Any, _: Any, **about: Any) -> Any:
        return was(runs, champion.read(runs), **about)

    was = champion.change
    champion.change = change
    return schedule


def forgetful(schedule: Schedule) -> Schedule:
    """What was refused is trained again."""
    novelty._refused = lambda *_: None
    return schedule


def silent(schedule: Schedule) -> Schedule:
    """A refusal leaves no document and no page."""

    def told(config: Any, run: Any, entry: Any, outcome: Any, _: Any) -> Any:
        where = {"run": config.run, "uri": run.uri, "champion": novelty.named(entry)}
        return outcome.model_copy(update=where)

    judging.told = told
    return schedule


def retried(schedule: Schedule) -> Schedule:
    """What was refused is tried again by Kubernetes."""
    return replace(schedule, rules=_without(schedule.rules, 3))


def _without(rules: Any, code: int) -> list[Mapping[str, Any]]:
    kept = copy.deepcopy(list(rules))
    for rule in kept:
        if "onExitCodes" in rule:
            rule["onExitCodes"]["values"].remove(code)
    return kept


def allowed(schedule: Schedule) -> Schedule:
    """Ticks may overlap, and a Job has no deadline."""
    return replace(schedule, forbids=False, active_deadline_s=float("inf"))


def unchecked(schedule: Schedule) -> Schedule:
    """By hand any name is promoted, whether there is a model or not."""

    def finished(name: str, uri: str) -> dict[str, Any]:
        run = by_hand.storage.store(by_hand.uris.join(uri, name))
        facts = {"content": "0", "split": {}}
        return {"run": name, "uri": run.uri, "model_sha256": "0" * 64, "facts": facts}

    by_hand._finished = finished
    return schedule


def unowned(schedule: Schedule) -> Schedule:
    """Nobody asks whether the run is still its own."""
    lease.Guard.check = lambda _: None  # type: ignore[method-assign]
    lease._wait_for = lambda *_: None
    return schedule


WAYS: Mapping[str, Callable[[Schedule], Schedule]] = {
    one.__name__.replace("_", "-"): one
    for one in (
        no_history,
        another_id,
        another_run,
        torn_pointer,
        unconditional,
        forgetful,
        silent,
        retried,
        allowed,
        unchecked,
        unowned,
    )
}
