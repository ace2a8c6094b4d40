"""fer_ray.cluster.loop in this process, without Ray: what it saves, and what saving changes."""

from pathlib import Path
from typing import Any

import pytest

from fer_ray.cluster import loop
from fer_ray.config import TrainConfig
from fer_ray.runs import checkpoint, metrics
from fer_ray.runs.storage import Store, store
from tests.bits import digests
from tests.campaign import bare


def settings(**sections: dict[str, Any]) -> TrainConfig:
    given = bare.CONFIG.model_dump()
    return TrainConfig.model_validate(
        given | {name: given[name] | changes for name, changes in sections.items()}
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A run that saved every third step."""
    folder = str(tmp_path_factory.mktemp("whole"))
    bare.attempt(folder)
    return store(folder)


def same_epochs(ours: Store, theirs: Store) -> bool:
    timed = {"seconds", "images_per_s", "wait_s", "save_wait_s"}
    a, b = (
        [{name: epoch[name] for name in epoch.keys() - timed} for epoch in metrics.read_all(run)]
        for run in (ours, theirs)
    )
    return len(a) == bare.CONFIG.training.epochs and a == b


def test_saving_at_epochs_ends_alone_changes_nothing(whole: Store, tmp_path: Path) -> None:
    seldom = settings(training={"checkpoint_every_steps": None, "keep_checkpoints": 99})
    bare.attempt(str(tmp_path), seldom)
    run = store(str(tmp_path))
    assert len(checkpoint.complete(run)) == bare.CONFIG.training.epochs
    assert digests(run, bare.last_step()) == digests(whole, bare.last_step())
    assert same_epochs(run, whole)


def test_a_run_cut_off_within_an_epoch_goes_on_to_the_same_bits(
    whole: Store, tmp_path: Path
) -> None:
    bare.attempt(str(tmp_path), steps=32)
    run = store(str(tmp_path))
    assert checkpoint.newest(run).step == 30  # of 19 an epoch
    bare.attempt(str(tmp_path))
    assert digests(run, bare.last_step()) == digests(whole, bare.last_step())
    assert same_epochs(run, whole)


def test_a_state_that_diverged_makes_no_checkpoint(tmp_path: Path) -> None:
    wild = settings(optimizer={"learning_rate": 1e38}, model={"head": "paper"})
    bare.attempt(str(tmp_path), wild)
    run = store(str(tmp_path))
    assert checkpoint.complete(run) == []
    (epoch,) = metrics.read_all(run)
    assert None in (epoch["train"]["loss"], epoch["validation"]["loss"])


def test_a_wait_is_all_between_two_epochs_steps_but_the_pause(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 100.0
    monkeypatch.setattr(loop.time, "monotonic", lambda: now)
    clock = loop.Clock()
    now = 103.0
    clock.stepping()
    now = 105.0
    clock.trained(40)
    now = 106.0  # what follows the last step, before and after validation
    with clock.paused():
        now = 116.0
    now = 118.0
    assert clock.epoch() == {"seconds": 18, "images_per_s": 8, "wait_s": 3}
    now = 119.0
    clock.stepping()
    now = 122.0
    clock.trained(21)
    assert clock.epoch() == {"seconds": 4, "images_per_s": 3, "wait_s": 4}
