"""The processes of a year, and what is heard of them: the head, pods, drivers, commands by hand."""

import random
import shlex
import signal
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import yaml

from fer_ray.cluster import submitting
from fer_ray.runs import lease, storage
from tests.year import head, look, rules, seam, strikes
from tests.year.book import Book
from tests.year.look import Seen
from tests.year.processes import Dilated, Outsider, Script, Server
from tests.year.rules import Rules, hold
from tests.year.schedule import Cron, Job, Schedule
from tests.year.strikes import Strike

FACES = 900  # that there are when the year begins
GRACE_S = 4.0  # how long nothing may be heard before who is paused goes on
HUNG_S = 60.0
SETTINGS: dict[str, Any] = {
    "training": {"epochs": 2},
    "gate": {"min_faces": 60, "class_min_support": 20},
}


@dataclass(frozen=True)
class Place:
    """Where a year happens."""

    folder: Path  # of this machine: logs and settings
    storage: str
    data: str
    s3: str | None = None  # the server's address


@dataclass
class Driver:
    """A submitted job's driver."""

    name: str
    script: Script
    known: bool = True  # to the head, unless it came after that was lost
    waits: bool = False  # paused, until it is told to go on
    frozen: bool = False  # by SIGSTOP: it does not even renew its lease
    deaf: bool = False


class World:
    """What there is, told apart from what happens to it."""

    def __init__(self, seed: int, place: Place, schedule: Schedule, operations: int) -> None:
        self.dice = random.Random(seed)
        self.place, self.schedule = place, schedule
        self.now = 0.0
        self.faults = True
        self.counts: Counter[str] = Counter()
        self.cron, self.rules = Cron(schedule), Rules()
        self.drivers: list[Driver] = []
        self.hands: list[tuple[Script, bool]] = []
        self.pod: Script | None = None
        self.job: Job | None = None
        self.conditions: set[str] = set()  # of the pod
        self.submitted, self.lives = 0, 1  # of the tick: submissions, and heads that took them
        self.at_pause: Callable[[Driver], None] = lambda _: None
        self.at_submission: Callable[[], None] = lambda: None
        self.next_tick = 0.0
        self._operations = operations
        self._scripts = 0
        self._book = Book(place.folder / "book.jsonl")
        self._talent = place.folder / "talent"
        self._settings = place.folder / "settings.yaml"
        kept = {"storage": {"uri": place.storage, "lease_ttl_s": 1.0}}
        self._settings.write_text(yaml.safe_dump(SETTINGS | kept))
        seam.lay(self._book, self._talent)
        self.outsider = Outsider()
        self.head = Server(head.serve, place.folder)
        self.outsider.call(look.arrive, place.data, "begin", FACES, seed)
        self.recall = 0.45
        self.seen: Seen = self.outsider.call(look.look, place.storage)

    @property
    def recall(self) -> float:
        """What a model trained now has."""
        return float(self._talent.read_text())

    @recall.setter
    def recall(self, value: float) -> None:
        self._talent.write_text(f"{value:.3f}")

    def start_pod(self, job: Job) -> None:
        """The next pod of a Job."""
        places = {
            "http://fer-ray-head-svc:8265": self.head.address,
            "/etc/fer-ray/settings.yaml": str(self._settings),
            "s3://fer-ray/faces": self.place.data,
        }
        words = self.schedule.words(job.name, places)
        assert words[0] == "python", words
        self.job, self.conditions = job, set()
        self.pod = self._start(words[1:], "pod", _of_pod)

    def start_hand(self, *flags: str) -> Script:
        """A person's command about the champion; what becomes of it is heard in a turn."""
        plan = self._strikes()
        first = partial(_of_driver, self.place, plan, self._book)
        argv = ["jobs/retrain.py", "--storage.uri", self.place.storage, *flags]
        script = self._start([*argv, "--retrain.why", "it was drawn"], "hand", first)
        self.hands.append((script, bool(plan)))
        return script

    def turn(self) -> bool:
        """Hear what there is to be heard, and do what follows; whether there was anything."""
        heard = self.head.heard()
        if not heard:
            watched: list[Any] = [self.head.line]
            watched += [one.script.line for one in self.drivers if not (one.waits or one.deaf)]
            watched += [one.script.sentinel for one in self.drivers]
            watched += [script.sentinel for script, _ in self.hands]
            watched += [self.pod.sentinel] if self.pod else []
            ready = wait(watched, GRACE_S)
            if not ready:
                return False
            heard = self.head.heard()
        for _, name, entrypoint, log in heard:
            self._begin(name, entrypoint, log)
        for driver in list(self.drivers):
            self._hear(driver)
        for one in list(self.hands):
            self._hear_hand(*one)
        return True

    def go_on(self) -> bool:
        """Let everyone who is paused or frozen go on; whether there was anyone."""
        some = [one for one in self.drivers if one.waits or one.frozen]
        for driver in some:
            self.resume(driver)
        hands = [script for script, _ in self.hands if script.goes_on()]
        return bool(some or hands)

    def resume(self, driver: Driver) -> None:
        """Let a driver go on."""
        if driver.frozen:
            driver.script.signal(signal.SIGCONT)
        if driver.waits:
            driver.script.say("go on")
        driver.frozen = driver.waits = False

    def check(self) -> None:
        """Hold the storage, and what the drivers told, against the rules."""
        self.seen = self.outsider.call(look.look, self.place.storage)
        for news in self._book.news():
            if news["what"] == "struck":
                self.counts[f"storage: {news['kind']}"] += 1
            else:
                self.counts["trainings begun" if news["step"] == 0 else "trainings resumed"] += 1
                self.rules.training(news, self.seen)
        self.rules.check(self.seen)
        self.counts["checks"] += 1

    def end(self) -> None:
        """End every process."""
        for script in [one.script for one in self.drivers] + [one for one, _ in self.hands]:
            script.signal(signal.SIGKILL)
        if self.pod:
            self.pod.signal(signal.SIGKILL)
        self.head.end()
        self.outsider.end()

    def _start(self, argv: Sequence[str], kind: str, first: Any, log: Path | None = None) -> Script:
        self._scripts += 1
        named = self.place.folder / f"{self._scripts:04d}-{kind}"
        out = log or named.with_suffix(".out")
        return Script(argv, out, log or named.with_suffix(".log"), first)

    def _begin(self, name: str, entrypoint: str, log: Path) -> None:
        """A job was submitted: its driver starts."""
        assert self.job
        self.submitted += 1
        rules.submitted(self.job.name, name, entrypoint)
        words = shlex.split(entrypoint)
        first = partial(_of_driver, self.place, self._strikes(), self._book)
        self.drivers.append(Driver(name, self._start(words[1:], "driver", first, log)))
        self.counts["drivers"] += 1
        self.at_submission()

    def _strikes(self) -> list[Strike]:
        """What befalls the storage of a process that starts now."""
        if not self.faults or self.dice.random() < 0.3:
            return []
        kinds = self.dice.choices(
            ("kill", "fails", "lost", "pause"), (4, 2, 2, 6), k=self.dice.randint(1, 3)
        )
        return [
            Strike(self.dice.randint(1, self._operations), kind, self.dice.choice((0, 0, 3, 30)))
            if kind in ("fails", "lost")
            else Strike(self.dice.randint(1, self._operations), kind)
            for kind in kinds
        ]

    def _hear(self, driver: Driver) -> None:
        """What a driver says, or that it has ended."""
        if not (driver.waits or driver.deaf) and driver.script.line.poll():
            try:
                driver.script.line.recv()
            except (EOFError, OSError):
                driver.deaf = True
            else:
                driver.waits = True
                self.counts["pauses"] += 1
                self.at_pause(driver)
                self.check()
        code = driver.script.code
        if code is None or driver not in self.drivers:
            return
        self.drivers.remove(driver)
        if driver.known:
            status = "FAILED" if code else "SUCCEEDED"
            told = f"Job entrypoint command failed with exit code {code}" if code else "it is done"
            killed = None if self.dice.random() < 0.5 else 137  # with its node, or by itself
            self.head.tell("ended", driver.name, status, killed if code < 0 else code, told)
        self.check()

    def _hear_hand(self, script: Script, struck: bool) -> None:
        """Whether a person's command has ended, and how."""
        code = script.code
        if code is None:
            return
        self.hands.remove((script, struck))
        self.check()
        if code >= 0:
            rules.explained("a command by hand", code, script.out.read_text())
            self.counts[f"by hand: exit {code}"] += 1
        else:
            hold(struck, f"a command by hand ended with {code}")


def _of_pod(_: Connection) -> None:
    submitting.time = Dilated(200)  # type: ignore[assignment]


def _of_driver(place: Place, plan: Sequence[Strike], book: Book, line: Connection) -> None:
    storage.time = Dilated(40)  # type: ignore[assignment]
    lease.time = Dilated(2)  # type: ignore[assignment]
    lease.RENEWALS_A_TTL = 6
    struck = strikes.Struck(plan, line, book)
    if place.s3:
        strikes.on_s3(place.s3, struck)
    else:
        strikes.on_disk(place.storage, struck)
