"""fer_ray.cluster.gauges: what is shown of an epoch, and that a run goes on where it can't be."""

import time
from typing import Any

import pytest

from fer_ray.cluster import gauges

EPOCH: dict[str, Any] = {
    "epoch": 3,
    "images_per_s": 35.5,
    "train": {"loss": 1.25, "accuracy": 0.5},
    "validation": {"loss": 1.5, "accuracy": 0.25, "macro_f1": 0.125},
    "save_wait_s": 0.75,
}


def test_every_gauge_is_shown_of_an_epoch_or_of_the_run() -> None:
    shown = gauges.of_epoch(EPOCH)
    assert shown == {
        "fer_ray_epoch": 3,
        "fer_ray_images_per_second": 35.5,
        "fer_ray_training_loss": 1.25,
        "fer_ray_validation_loss": 1.5,
        "fer_ray_validation_accuracy": 0.25,
        "fer_ray_validation_macro_f1": 0.125,
        "fer_ray_checkpoint_wait_seconds": 0.75,
    }
    of_the_run = {"fer_ray_refused_rows", "fer_ray_planned_epochs"}
    assert set(shown) | of_the_run == set(gauges.GAUGES)


@pytest.mark.parametrize("side", ["train", "validation"])
def test_a_loss_that_is_not_finite_is_not_shown(side: str) -> None:
    diverged = EPOCH | {side: EPOCH[side] | {"loss": None}}
    (gone,) = set(gauges.of_epoch(EPOCH)) - set(gauges.of_epoch(diverged))
    assert gone == f"fer_ray_{'training' if side == 'train' else side}_loss"


@pytest.mark.usefixtures("ray_cluster")
def test_a_fault_ends_the_showing_with_a_word_and_not_the_run(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gauges, "SHOWN_EVERY_S", 0.01)
    with gauges.shown("it", {"fer_ray_planned_epochs": 3}) as tell:
        tell(EPOCH)
        tell({})
        time.sleep(0.2)
        tell(EPOCH)
    assert [record.getMessage() for record in caplog.records] == [
        "Prometheus sees no more of run it: KeyError('validation')"
    ]
