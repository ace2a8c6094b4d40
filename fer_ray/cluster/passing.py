"""Whether what ended a trial's training was the trial's own, or passes when it is tried again.

A trial whose end is recorded as its own is never tried again. So what is lost with a process or a
node, and what storage refuses, must not be: it says nothing of the trial's settings.
"""

import ray.exceptions
from ray.train import WorkerGroupError
from ray.train.v2._internal.exceptions import RayTrainError

from fer_ray.runs.faults import StorageError
from fer_ray.runs.lease import LostError

_PASSING = (LostError, StorageError, OSError, ray.exceptions.RayError, RayTrainError)

# What TensorFlow raises in workers whose peer went; by name, since nothing else here loads it.
_OF_A_PEER = {"AbortedError", "CancelledError", "DeadlineExceededError", "UnavailableError"}


def passes(error: BaseException) -> bool:
    """Whether a trial that ``error`` ended may come to another end when it is tried again.

    Of a worker group counts what its workers failed with, and not what the others raised because
    one of them was gone.

    Args:
        error: as ``ray.get`` raised it, or as Ray Train tells it of a worker.
    """
    if isinstance(error, ray.exceptions.RayTaskError):  # is of its cause's class, and a RayError
        return passes(error.cause)
    if isinstance(error, WorkerGroupError):
        failures = error.worker_failures.values()
        own = [one for one in failures if type(one).__name__ not in _OF_A_PEER]
        return not own or any(passes(one) for one in own)
    return isinstance(error, _PASSING)
