"""Storage that is busy or out of reach for a while is asked again, everywhere by one rule."""

import logging
import os
import time
from collections.abc import Callable
from typing import TypeVar

from fer_ray.runs.faults import BusyError

PATIENCE = "FER_RAY_STORAGE_PATIENCE_S"  # environment: how long storage that is busy is asked again
PATIENCE_S = 120.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 10.0

T = TypeVar("T")

logger = logging.getLogger(__name__)


def again(
    call: Callable[[], T], *, patient: bool = True, may: Callable[[], None] | None = None
) -> T:
    """What ``call`` gives; while it raises ``BusyError`` it is called again, with growing pauses.

    Args:
        call: asks the storage.
        patient: for ``FER_RAY_STORAGE_PATIENCE_S`` seconds (120 if not set); else never.
        may: raises if the caller has lost what it writes to; asked before each further call.

    Raises:
        BusyError: the storage still was at the end of that time.
    """
    patience = float(os.environ.get(PATIENCE, PATIENCE_S)) if patient else 0.0
    until = time.monotonic() + patience
    pause = _FIRST_PAUSE_S
    while True:
        try:
            return call()
        except BusyError as error:
            if time.monotonic() + pause > until:
                raise
            logger.warning("%s; trying again in %.1f s", error, pause)
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE_S)
        if may:
            may()
