"""fer_ray.cluster.shards in workers of Ray Train: who begins a group, and how a stream is left."""

import json
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import ray
import ray.train
from ray.train.v2.api.exceptions import WorkerGroupError

from fer_ray.cluster import session, shards
from fer_ray.cluster.stream import Faces, Plan, Start
from fer_ray.cluster.trainer import TrainerAlone
from fer_ray.config import AugmentConfig
from fer_ray.faces import demo, rows
from fer_ray.runs.lease import LostError
from tests.cluster.streams import streams_going
from tests.drill.runs import wait_for

pytestmark = pytest.mark.usefixtures("ray_cluster")

PLAN = Plan(batch_size=48, window=10_000, seed=7, augment=AugmentConfig())


def train_two(loop: Callable[[dict[str, Any]], None], told: Path) -> None:
    """Have two workers of Ray Train run ``loop``."""
    trainer = TrainerAlone(
        loop,
        {},
        ray.train.ScalingConfig(num_workers=2, resources_per_worker={"CPU": 0.5}),
        ray.train.RunConfig(storage_path=str(told)),
    )
    with session.own_handler(signal.SIGINT):
        trainer.fit()


def fitted(faces: Faces, told: Path, begin: Callable[[int], Start]) -> None:
    """Have two workers leave their streams after the first batch, by an error of their own."""

    def loop(_: dict[str, Any]) -> None:
        rank = ray.train.get_context().get_world_rank()
        kept = None
        try:
            with shards.begun(faces, PLAN, 1_000, begin) as tables:
                table, during = next(tables), streams_going()
                raise ZeroDivisionError
        except ZeroDivisionError as error:
            kept = error  # with its frames, as Ray keeps what a worker dies of
        seen = {name: sorted(set(table[name].to_pylist())) for name in ("step", "group")}
        about = seen | {"rows": len(table), "streams": [during, streams_going()]}
        assert kept is not None
        (told / str(rank)).write_text(json.dumps(about))

    train_two(loop, told)


@pytest.fixture(scope="module")
def faces() -> Faces:
    images, labels = demo.draw(0, 200, 0)
    return Faces([ray.put(rows.face_table(images, labels, [str(i) for i in range(200)]))], [200])


def test_the_first_of_two_workers_begins_for_both_and_each_ends_its_own_stream(
    faces: Faces, tmp_path: Path
) -> None:
    def begin(world: int) -> Start:
        with (tmp_path / "begun").open("a") as file:
            file.write(f"of {world}\n")
        return Start(5, 3)

    fitted(faces, tmp_path, begin)
    assert (tmp_path / "begun").read_text() == "of 2\n"
    for rank in "01":
        seen = json.loads((tmp_path / rank).read_text())
        assert seen == {"step": [5], "group": [3], "rows": 24, "streams": [1, 0]}


def test_what_the_first_worker_begins_with_fails_the_group(faces: Faces, tmp_path: Path) -> None:
    def begin(_: int) -> Start:
        raise LostError("another has the run")

    with pytest.raises(WorkerGroupError, match="another has the run"):
        fitted(faces, tmp_path, begin)


def test_a_worker_that_leaves_before_its_first_batch_waits_for_nothing_and_ends_its_stream(
    faces: Faces, tmp_path: Path
) -> None:
    left = tmp_path / "left"

    def begin(_: int) -> Start:
        wait_for(left.exists, "a block that was left", 60)
        return Start(0, 1)

    def loop(_: dict[str, Any]) -> None:
        with shards.begun(faces, PLAN, 1_000, begin):
            (fetching,) = [one for one in threading.enumerate() if one.name == "first-batch_0"]
        left.touch()
        fetching.join(60)
        about = {"fetching": fetching.is_alive(), "streams": streams_going()}
        rank = ray.train.get_context().get_world_rank()
        (tmp_path / str(rank)).write_text(json.dumps(about))

    train_two(loop, tmp_path)
    for rank in "01":
        about = json.loads((tmp_path / rank).read_text())
        assert about == {"fetching": False, "streams": 0}
