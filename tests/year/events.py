"""What happens beside the schedule: to data, by hand, to pods, to the cluster's head."""

import signal
from collections.abc import Callable, Sequence

from tests.year import look, rules
from tests.year.world import Driver, World

HAND_S = 1.0  # a person's command, unless it waits for somebody that is paused
DAY_S = 86_400.0


class Events:
    """What may happen, and the dice that say when."""

    def __init__(self, world: World) -> None:
        self._world, self._dice = world, world.dice
        self._files: list[str] = []
        self._spoiled: str | None = None

    def between(self) -> None:
        """What happens until the next tick."""
        world, dice = self._world, self._dice
        change = dice.choice((-0.05, -0.02, 0.0, 0.02, 0.05, 0.1))
        world.recall = min(0.85, max(0.4, world.recall + change))
        if self._spoiled and dice.random() < 0.6:
            self.mend()
        kind = dice.choices(
            (self.arrive, self._shrink, self._spoil, self._clean_up, lambda: None),
            (50, 6, 6, 4, 34),
        )[0]
        kind()
        if world.faults and dice.random() < 0.12:
            dice.choice((self._promote, self._roll_back))()

    def at_pause(self, driver: Driver) -> None:
        """What happens while a driver is in the middle of something."""
        some: Sequence[tuple[Callable[[Driver], None], float]] = (
            (lambda _: self.arrive(), 15),
            (lambda _: self._promote(), 12),
            (lambda _: self._roll_back(), 8),
            (self._lose_pod, 20),
            (self._lose_head, 15),
            (self._freeze, 8),
            (self._trouble, 15),
            (self._slow, 4),
            (lambda _: None, 5),
        )
        acts, weights = zip(*some, strict=True)
        (act,) = self._dice.choices(acts, weights)
        act(driver)
        if driver.waits and not driver.frozen and not self._overdue(driver):
            self._world.resume(driver)

    def submitted(self) -> None:
        """What happens as soon as a job is submitted."""
        if self._world.faults and self._dice.random() < 0.1:
            self._lose_pod(None)

    def before_pod(self) -> None:
        """What is wrong with the cluster's API when a pod starts."""
        if self._world.faults and self._dice.random() < 0.2:
            self._trouble(None)

    def arrive(self) -> None:
        """New faces."""
        name = f"part-{len(self._files):04d}-{self._dice.randrange(10**6):06d}"
        count = self._dice.randint(40, 160)
        self._call(look.arrive, name, count, self._dice.randrange(2**31))
        self._files.append(name)
        self._count("data: new faces")

    def mend(self) -> None:
        """The file that could not be read goes."""
        if self._spoiled:
            self._call(look.leave, self._spoiled)
            self._spoiled = None

    def _shrink(self) -> None:
        if self._files:
            name = self._files.pop(self._dice.randrange(len(self._files)))
            self._call(look.leave, name)
            self._count("data: fewer faces")

    def _spoil(self) -> None:
        if not self._spoiled:
            self._spoiled = f"spoiled-{self._dice.randrange(10**6)}"
            self._call(look.spoil, self._spoiled)
            self._count("data: unusable")

    def _clean_up(self) -> None:
        """An old run goes that neither is champion nor was trained lately."""
        seen = self._world.seen
        at_work = {one.name for one in self._world.drivers}
        keep = (
            frozenset({seen.entry.run} if seen.entry else ())
            | at_work
            | set(sorted(seen.runs)[-3:])
        )
        if self._world.outsider.call(
            look.clean_up, self._world.place.storage, self._dice.random(), keep
        ):
            self._count("an old run's folder deleted")

    def _promote(self) -> None:
        seen = self._world.seen
        names = sorted(seen.finished)
        name = self._dice.choice(names) if names and self._dice.random() < 0.85 else "nobody"
        self._hand("--retrain.promote", name)

    def _roll_back(self) -> None:
        self._hand("--retrain.rollback", "true")

    def _hand(self, *flags: str) -> None:
        self._world.start_hand(*flags).ended(HAND_S)
        self._count("commands by hand")

    def _lose_pod(self, _: Driver | None) -> None:
        """The pod is killed for its memory, evicted, or lost with its node."""
        world = self._world
        if world.pod is None or world.pod.code is not None:
            return
        kind = self._dice.choice(("killed", "evicted", "lost with its node"))
        if kind != "killed":
            world.conditions.add("DisruptionTarget")
        world.pod.signal(signal.SIGTERM if kind == "evicted" else signal.SIGKILL)
        self._count(f"pods: {kind}")

    def _lose_head(self, _: Driver | None) -> None:
        """The head is lost, and with it its jobs and their drivers."""
        world = self._world
        for one in world.drivers:
            one.known = False
            one.script.signal(signal.SIGKILL)
        self._forget()

    def _freeze(self, driver: Driver) -> None:
        """The head is lost; a driver is cut off from it, stands still, and comes back later."""
        driver.known = False
        driver.frozen = True
        driver.script.signal(signal.SIGSTOP)
        self._forget()
        self._count("drivers: stopped, and back later")

    def _forget(self) -> None:
        world = self._world
        for one in world.drivers:
            one.known = False
        world.head.tell("lost")
        world.lives += 1
        self._count("head: lost")

    def _trouble(self, _: Driver | None) -> None:
        """The API fails for some requests, or the connections to it break."""
        kind = self._dice.choice(("drops", "loses", "busy", "cut"))
        if kind == "cut":
            self._world.head.tell("cut")
        else:
            self._world.head.tell("trouble", {kind: self._dice.choice((1, 1, 2, 5, 20))})
        self._count(f"API: {kind}")

    def _slow(self, driver: Driver) -> None:
        """The training takes longer than the tick's Job may."""
        world = self._world
        if world.job is None or world.job.ended is not None or driver.name != world.job.name:
            return
        deadline = world.job.began + world.schedule.active_deadline_s
        world.now = min(deadline, world.next_tick) + 1
        if world.job.check_deadline(world.now):
            if world.pod and world.pod.code is None:
                world.pod.signal(signal.SIGTERM)
        else:
            world.cron.due(world.next_tick, world.now)
            rules.one_at_a_time(world.cron)
        self._count("trainings longer than a day")

    def _overdue(self, driver: Driver) -> bool:
        """Whether a driver has outlived its tick's Job: it goes on in the middle of the next."""
        job = self._world.job
        return job is not None and job.name == driver.name and job.ended is not None

    def _call(self, function: Callable[..., None], *args: object) -> None:
        self._world.outsider.call(function, self._world.place.data, *args)

    def _count(self, what: str) -> None:
        self._world.counts[what] += 1
