"""One year of ticks, and what is checked after each event of it."""

import json
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.year import look, rules
from tests.year.events import Events
from tests.year.rules import ViolationError, hold
from tests.year.schedule import Job, Schedule
from tests.year.world import HUNG_S, Place, World

KILLED = (137, -signal.SIGTERM)  # before it could say anything


@dataclass(frozen=True)
class Told:
    """How a tick ended: its pods' exit codes, its Job's condition, the last outcome."""

    tick: str
    codes: tuple[int, ...]
    ended: str
    outcome: Mapping[str, Any]


class Year:
    """A year from one seed."""

    def __init__(self, seed: int, place: Place, schedule: Schedule, operations: int) -> None:
        self.world = World(seed, place, schedule, operations)
        self.events = Events(self.world)
        self.world.at_pause = self.events.at_pause
        self.world.at_submission = self.events.submitted
        self.ticks: list[Told] = []

    def run(self, ticks: int, every: int) -> None:
        """Live through the ticks, then one without faults that must succeed.

        Args:
            ticks: of the schedule.
            every: days between two that are looked at.

        Raises:
            ViolationError: something does not hold that must.
        """
        world = self.world
        for number in range(ticks):
            self.events.between()
            world.check()
            self.tick(number * every, every)
        world.faults = False
        self._settle()
        self.events.mend()
        self.events.arrive()
        self.events.arrive()
        world.recall = 0.97
        world.check()
        self.tick(ticks * every, every)
        self._settle()
        last = self.ticks[-1]
        hold(last.codes == (0,), f"without faults a tick must succeed, got {last}")
        entry = world.seen.entry
        hold(entry and entry.run == last.tick, f"newer and better must be champion, got {entry}")
        for run in sorted(world.seen.finished):
            found = world.outsider.call(look.damaged, world.place.storage, run)
            hold(not found, f"run {run} is damaged: {found}")

    def tick(self, day: int, every: int) -> None:
        """One tick, to the end of its Job."""
        world = self.world
        scheduled = world.schedule.tick(day)
        world.next_tick = world.schedule.tick(day + every)
        world.now = max(world.now, scheduled)
        job = world.cron.due(scheduled, world.now)
        rules.one_at_a_time(world.cron)
        if job is None:
            world.counts["ticks that found another active, or came too late"] += 1
            return
        world.rules.ticks.add(job.name)
        world.submitted, world.lives = 0, 1
        codes: list[int] = []
        outcome: Mapping[str, Any] = {}
        while job.ended is None:
            self.events.before_pod()
            world.start_pod(job)
            assert world.pod
            code = self._follow()
            codes.append(code)
            world.now += 60 + job.pod_ended(code, world.conditions)
            if code not in KILLED:
                outcome = rules.explained(job.name, code, world.pod.out.read_text())
            world.check()
            rules.codes(job.name, codes, world.submitted, world.lives)
            if code == 3:
                rules.refusal(outcome, world.seen)
            if self.world.dice.random() < 0.5:
                world.go_on()
        self._tell(job, codes, outcome)

    def _follow(self) -> int:
        """How the pod ended; hears what happens meanwhile."""
        world = self.world
        assert world.pod
        heard = time.monotonic()
        while world.pod.code is None:
            if world.turn() or world.go_on():
                heard = time.monotonic()
            hold(time.monotonic() - heard < HUNG_S, f"a pod hangs: {world.pod.argv}")
        code = world.pod.code
        return 137 if code == -signal.SIGKILL else code

    def _settle(self) -> None:
        """Let everyone come to an end."""
        world = self.world
        began = time.monotonic()
        while world.drivers or world.hands:
            world.go_on()
            world.turn()
            hold(time.monotonic() - began < HUNG_S, f"somebody hangs: {world.drivers}")
        world.check()

    def _tell(self, job: Job, codes: list[int], outcome: Mapping[str, Any]) -> None:
        world = self.world
        assert job.ended
        self.ticks.append(Told(job.name, tuple(codes), job.ended, outcome))
        world.counts[f"ticks: {job.ended}"] += 1
        if outcome:
            world.counts[f"outcomes: {outcome['status']}"] += 1
        world.counts["pods"] += len(codes)
        with (world.place.folder / "ticks.jsonl").open("a") as sink:
            sink.write(json.dumps([job.name, codes, job.ended, outcome]) + "\n")


def live(seed: int, place: Place, schedule: Schedule, ticks: int, every: int) -> dict[str, Any]:
    """What a year came to: counts, and what did not hold, if anything."""
    operations = 260 if place.s3 else 70
    year = Year(seed, place, schedule, operations)
    fault = None
    began = time.monotonic()
    try:
        year.run(ticks, every)
    except (ViolationError, RuntimeError, TimeoutError, AssertionError) as error:
        fault = f"{type(error).__name__}: {error}"
    finally:
        year.world.end()
    entries = year.world.seen.entries
    return {
        "seed": seed,
        "ticks": len(year.ticks),
        "fault": fault,
        "champions": len(entries),
        "seconds": round(time.monotonic() - began, 1),
        "counts": dict(sorted(year.world.counts.items())),
    }
