"""fer_ray.cluster.preemption: asked seldom, at the same steps by all, and heard at once."""

import numpy as np

from fer_ray.cluster.preemption import ASK_EVERY_S, Preemption


class Ranks:
    """Two workers whose steps take other times; sums of their clocks reach both, as in a group."""

    def __init__(self, seconds_a_step: tuple[float, float], goes_at: int, start: int = 0) -> None:
        self.step = start
        self.asked: list[list[int]] = [[], []]
        self._told: list[float] = []
        self.members = [
            Preemption(
                start,
                going=lambda rank=rank: self._ask(rank) >= goes_at,
                total=self._total,
                world=2,
                clock=lambda seconds=seconds: self.step * seconds,
            )
            for rank, seconds in enumerate(seconds_a_step)
        ]
        self._seconds = seconds_a_step

    def _ask(self, rank: int) -> int:
        self.asked[rank].append(self.step)
        return self.step

    def _total(self, mine: np.ndarray) -> np.ndarray:
        share = mine / self._seconds[len(self._told) % 2]
        self._told.append(float(mine[0]))
        return share * sum(self._seconds)


def test_all_ranks_ask_at_the_same_steps_about_every_two_seconds() -> None:
    ranks = Ranks((0.01, 0.03), goes_at=10**6)
    for ranks.step in range(1, 1001):
        assert [member.threatens(ranks.step) for member in ranks.members] == [False, False]
    first, second = ranks.asked
    assert first == second
    assert set(np.diff(first[1:])) == {round(ASK_EVERY_S / 0.02)}


def test_all_ranks_hear_of_a_node_that_goes_and_go_on_hearing_of_it() -> None:
    ranks = Ranks((0.02, 0.02), goes_at=400)
    heard = []
    for ranks.step in range(1, 1001):
        first, second = (member.threatens(ranks.step) for member in ranks.members)
        assert first == second
        if first:
            heard.append(ranks.step)
    assert 400 <= heard[0] <= 400 + ASK_EVERY_S / 0.02
    assert len(heard) >= 5


def test_a_group_that_goes_on_from_a_late_step_asks_as_often_as_one_that_begins() -> None:
    """Its second question once came a thousand steps late: its first step counted as all before."""
    begun, resumed = (Ranks((0.5, 0.5), goes_at=10**6, start=start) for start in (0, 10_000))
    for step in range(1, 101):
        for ranks, start in ((begun, 0), (resumed, 10_000)):
            ranks.step = start + step
            assert not any(member.threatens(ranks.step) for member in ranks.members)
    assert [step - 10_000 for step in resumed.asked[0]] == begun.asked[0]
    assert set(np.diff(begun.asked[0])) == {round(ASK_EVERY_S / 0.5)}
