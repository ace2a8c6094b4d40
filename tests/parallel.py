"""Two tests at a time, a file each, what takes longest first; their Rays know nothing of others.

A run of a job takes 1.3 of two cores: it starts two dozen processes, one after another.
"""

import os
import shutil
import tempfile
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from xdist.remote import Producer
    from xdist.scheduler import LoadFileScheduling

# What would end last if it began in its turn, and beside the first of it, which takes four
# minutes, what waits more than it computes.
FIRST = (
    "tests/jobs/test_train.py",
    "tests/jobs/test_tune.py",
    "tests/runs/test_lease.py",
    "tests/runs/test_storage.py",
    "tests/jobs/test_submit.py",
    "tests/jobs/test_schedule.py",
    "tests/year/test_year.py",
    "tests/jobs/test_tune_on_s3.py",
    "tests/test_drill.py",
    "tests/cluster/test_training.py",
    "tests/cluster/test_evaluating.py",
    "tests/cluster/test_retraining.py",
    "tests/jobs/test_preflight.py",
)
# These share a run that takes half a minute or a whole (tests/jobs/interrupted.py and
# tests/cluster/once.py) with the file that stands first.
TOGETHER = {
    "tests/jobs/test_tune.py": "tests/jobs/test_train.py",
    "tests/cluster/test_evaluating.py": "tests/cluster/test_training.py",
}

# A Ray of this machine's owner is none of ours, nor one that tests beside these have started.
_RAYS_FILES = tempfile.mkdtemp(prefix="ray-")
os.environ["RAY_TMPDIR"] = _RAYS_FILES

# Each Ray looks for log files ten times a second, and after its processes every five: a twentieth
# of all that these tests compute. What each process has handled, they count for nobody.
os.environ |= {
    "RAY_event_stats": "0",
    "RAY_LOG_MONITOR_MANY_FILES_THRESHOLD": "0",
    "LOG_NAME_UPDATE_INTERVAL_S": "2",
    "REPORTER_UPDATE_INTERVAL_MS": "30000",
}


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put first what takes longest."""
    places = {name: place for place, name in enumerate(FIRST)}
    items.sort(key=lambda item: places.get(_file(item.nodeid), len(FIRST)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: "Producer") -> "LoadFileScheduling":
    """Tests of a file, and of files that share what takes long to make, run in one process."""
    from xdist.scheduler import LoadFileScheduling

    class ByFile(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = _file(nodeid)
            return TOGETHER.get(file, file)

    return ByFile(config, log)


def pytest_sessionfinish(exitstatus: int) -> None:
    """Leave Ray's logs where something failed."""
    if exitstatus == 0:
        shutil.rmtree(_RAYS_FILES, ignore_errors=True)


def _file(nodeid: str) -> str:
    return nodeid.split("::", 1)[0]
