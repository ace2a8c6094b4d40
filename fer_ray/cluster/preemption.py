"""Whether a node of the worker group is about to be taken away: asked every few seconds."""

import logging
import time
from collections.abc import Callable

import numpy as np

from fer_ray.cluster.steps import Summation

ASK_EVERY_S = 2.0  # asking is a barrier of all workers, 4 to 7 ms

logger = logging.getLogger(__name__)


class Preemption:
    """What all ranks ask after every step, and of which all get the same answer.

    Ray learns of a node's end when the node is told to stop (SIGTERM, a spot instance's notice),
    and takes ``RAY_TRAIN_PREEMPTION_POLL_INTERVAL_S`` (5 s) more to tell the workers.

    Args:
        start: the step before the first that is asked after: the group's first.
        going: whether this worker has been told.
        total: sums over all workers.
        world: how many they are.
        clock: seconds.
    """

    def __init__(
        self,
        start: int,
        going: Callable[[], bool],
        total: Summation,
        world: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._going, self._total, self._world, self._clock = going, total, world, clock
        self._asked = self._next = start
        self._since = clock()

    def threatens(self, step: int) -> bool:
        """Whether the state after ``step`` should be saved, since a node is going.

        False between two questions: the answer is for the steps at which Ray is asked, and these
        follow from the mean of all workers' clocks, so that none waits for the others in vain.
        """
        if step < self._next:
            return False
        going = self._going()
        now = self._clock()
        mean = float(self._total(np.array([now - self._since]))[0]) / self._world
        a_step = mean / max(1, step - self._asked)
        self._asked, self._next = step, step + max(1, round(ASK_EVERY_S / a_step))
        self._since = now
        if going:
            logger.warning("a node of the worker group is going; saving step %d", step)
        return going
