"""fer_ray.cluster.submitting: a job watched through troubles of the API, by Ray's own client.

The server is ``tests.year.head``; what a real one does is in ``tests/jobs/test_submit.py``.
"""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

import pytest

from fer_ray.cluster import submitting
from fer_ray.job import Outcome
from fer_ray.submission import SubmitConfig
from tests.year import head

# Ray 2.60's client gives aiohttp 3.14 what that would rather be given in another way.
pytestmark = pytest.mark.filterwarnings("ignore:ssl=None is deprecated:DeprecationWarning")

DONE = json.dumps({"status": "refused", "job": "retrain", "seconds": 1.0, "run": "tick"})


class Cluster:
    """A server, and one who submits to it."""

    def __init__(self, folder: Path) -> None:
        self._line, there = Pipe()
        self._serving = threading.Thread(target=head.serve, args=(there, folder))
        self._serving.start()
        self.address = self._line.recv()
        self._pool = ThreadPoolExecutor(1)
        self.submitted: list[str] = []
        self.log = folder

    def submit(self, patience_s: float = 20) -> "Future[Outcome]":
        """Submit from a thread."""
        about = {"address": self.address, "id": "tick", "command": "true"}
        config = SubmitConfig.model_validate({"submit": about | {"patience_s": patience_s}})
        return self._pool.submit(submitting.submit, config)

    def begun(self) -> None:
        """Return once a job is there."""
        assert self._line.poll(20)
        _, name, _, self.log = self._line.recv()
        self.submitted.append(name)

    def tell(self, *message: Any) -> None:
        """Return once the server does as it is told."""
        self._line.send(message)
        assert self._line.recv() == "so it is"

    def close(self) -> None:
        """End the server."""
        self._line.close()
        self._serving.join()

    def ends(self) -> None:
        """The job ends."""
        self.log.write_text(f"{DONE}\n")
        self.tell("ended", "tick", "FAILED", 3, "exit code 3")


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    monkeypatch.setattr(submitting, "_LOOK_EVERY_S", 0.02)
    for name in ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    one = Cluster(tmp_path)
    yield one
    one.close()


@pytest.mark.parametrize("trouble", ["drops", "busy"])
def test_a_job_is_submitted_when_the_cluster_answers_again(cluster: Cluster, trouble: str) -> None:
    cluster.tell("trouble", {trouble: 7})
    ended = cluster.submit()
    cluster.begun()
    cluster.ends()
    assert ended.result(20).status == "refused"
    assert cluster.submitted == ["tick"]


def test_a_submission_whose_answer_was_lost_is_attached_to(cluster: Cluster) -> None:
    cluster.tell("trouble", {"loses": 9})  # of every second request that it makes one is lost
    ended = cluster.submit()
    cluster.begun()
    cluster.ends()
    assert ended.result(20).model_dump()["run"] == "tick"
    assert cluster.submitted == ["tick"]


@pytest.mark.parametrize("trouble", ["drops", "busy"])
def test_a_log_that_breaks_off_and_is_refused_is_asked_for_again(
    cluster: Cluster, trouble: str
) -> None:
    ended = cluster.submit()
    cluster.begun()
    for requests in (1, 2, 3):  # it looks whether the job is there, and asks for its log
        cluster.tell("followed")
        cluster.tell("trouble", {trouble: requests})
        cluster.tell("cut")
    cluster.tell("followed")
    cluster.ends()
    assert ended.result(20).status == "refused"


def test_a_job_that_was_lost_with_its_head_is_missed_at_once(cluster: Cluster) -> None:
    ended = cluster.submit(patience_s=600)
    cluster.begun()
    cluster.tell("followed")
    cluster.tell("lost")
    outcome = ended.result(20)
    assert outcome.status == "failed"
    assert outcome.error == "job tick is lost: the cluster that answers now knows nothing of it"


def test_a_refusal_is_not_asked_again(cluster: Cluster) -> None:
    with pytest.raises(RuntimeError, match="status code 404"):
        submitting._answered(lambda: submitting._client(cluster.address).stop_job("no-job"), 600)
