"""The trials' trainings: tasks that outlive the processes in which Ray Tune watches them.

Tune kills the process of a trial that it has stopped, and Ray with it all that the process began:
a worker group that is killed and not asked to end keeps what it had reserved where there is no
dashboard, so that the winner, trained anew, waited for CPUs for ever.
"""

import logging
import threading
from typing import Any

import ray

from fer_ray.cluster import capacity, session, training
from fer_ray.cluster.prepared import Prepared
from fer_ray.config import TrainConfig

KILLED_AFTER_S = 15.0  # measured: a training that is asked to end has after 2


@ray.remote(num_cpus=0, max_restarts=-1)
class Trainings:
    """Begins and ends trainings, by the trial's number."""

    def __init__(self) -> None:
        self._begun: dict[int, ray.ObjectRef[None]] = {}

    def start(
        self, number: int, config: TrainConfig, data: Prepared, shared: Any, sweep: str
    ) -> "list[ray.ObjectRef[None]]":
        """A trial's training: one that runs goes on, and is not begun again."""
        before = self._begun.get(number)
        if before is None or ray.wait([before], timeout=0)[0]:
            where = capacity.where_work_is_done()
            self._begun[number] = _fit.options(scheduling_strategy=where).remote(
                config, data, shared, sweep
            )
        return [self._begun[number]]

    def end(self, number: int) -> None:
        """Ask a trial's training to end, so that it gives back what it had; then it is killed."""
        if (task := self._begun.get(number)) is not None:
            session.cancel(task)
            threading.Thread(target=_kill, args=(task,), daemon=True).start()

    def finish(self) -> None:
        """Return once all trainings have ended."""
        if tasks := list(self._begun.values()):
            ray.wait(tasks, num_returns=len(tasks))


def _kill(task: "ray.ObjectRef[None]") -> None:
    """Kill a training if it does not end as it was asked to."""
    if not ray.wait([task], timeout=KILLED_AFTER_S)[0]:
        ray.cancel(task, force=True)


@ray.remote(num_cpus=0, max_retries=0)
def _fit(config: TrainConfig, data: Prepared, shared: Any, sweep: str) -> None:
    """The run itself."""
    logging.getLogger("fer_ray").setLevel(logging.INFO)  # for the run's own log
    faces = ray.get(shared.training.remote(config))
    training.fit(config, training.Part(data, faces, sweep))
