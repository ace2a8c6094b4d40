"""fer_ray.cluster.submitting: a job watched through troubles of the API, by Ray's own client.

The server is ``tests.year.head``; what a real one does is in ``tests/jobs/test_submit.py``.
"""

import json
import threading
import time
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
        assert self._line.poll(20)
        assert self._line.recv() == "so it is"

    def close(self) -> None:
        """End the server."""
        self._line.close()
        self._serving.join()

    def ends(self, status: str = "FAILED", code: int | None = 3) -> None:
        """The job ends."""
        self.log.write_text(f"{DONE}\n")
        self.tell("ended", "tick", status, code, f"exit code {code}")


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
    for requests in (1, 2, 3):  # for the job's state, whether it is there, its state again
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


def test_a_job_whose_cluster_answers_no_more_is_lost_once_patience_is_over(
    cluster: Cluster,
) -> None:
    ended = cluster.submit(patience_s=0.3)
    cluster.begun()
    cluster.tell("followed")
    cluster.tell("trouble", {"busy": 10**6})
    cluster.tell("cut")
    outcome = ended.result(20)
    assert outcome.status == "failed"
    assert outcome.error == "job tick is lost: its cluster did not answer for 0.3 s"


def test_patience_begins_when_the_cluster_stops_to_answer(cluster: Cluster) -> None:
    ended = cluster.submit(patience_s=2)
    cluster.begun()
    cluster.tell("followed")
    time.sleep(2.2)
    cluster.tell("trouble", {"drops": 3})
    cluster.tell("cut")
    cluster.tell("followed")
    cluster.ends()
    assert ended.result(20).status == "refused"


def test_a_job_whose_log_cannot_be_followed_is_watched_without_it(
    cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    cluster.tell("withheld", "tail")
    ended = cluster.submit(patience_s=1)
    cluster.begun()
    time.sleep(1.5)
    cluster.ends()
    assert ended.result(20).model_dump()["run"] == "tick"
    told = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert told == [
        "the log of job tick cannot be followed (WSServerHandshakeError); watching its state alone"
    ]


@pytest.mark.parametrize(
    ("status", "code", "wanted", "error"),
    [
        ("SUCCEEDED", 0, "done", None),
        ("FAILED", 3, "failed", "job tick failed: exit code 3"),
        ("STOPPED", None, "failed", "job tick was stopped"),
    ],
)
def test_how_a_job_ended_is_told_by_its_state_where_its_log_cannot_be_read(
    cluster: Cluster,
    caplog: pytest.LogCaptureFixture,
    status: str,
    code: int,
    wanted: Any,
    error: Any,
) -> None:
    cluster.tell("withheld", "tail", "logs")
    ended = cluster.submit(patience_s=0.3)
    cluster.begun()
    cluster.ends(status, code)
    outcome = ended.result(20)
    assert (outcome.status, outcome.error) == (wanted, error)
    assert "the log of job tick cannot be read (RuntimeError); its state alone" in caplog.text


def test_a_log_that_can_be_read_again_in_time_tells_the_outcome(cluster: Cluster) -> None:
    cluster.tell("withheld", "tail", "logs")
    ended = cluster.submit()
    cluster.begun()
    cluster.ends()
    time.sleep(0.5)
    cluster.tell("withheld")
    assert ended.result(20).status == "refused"


def test_a_refusal_is_not_asked_again(cluster: Cluster) -> None:
    with pytest.raises(RuntimeError, match="status code 404"):
        submitting._answered(lambda: submitting._client(cluster.address).stop_job("no-job"), 600)
