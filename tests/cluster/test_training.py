"""fer_ray.cluster.training: whole runs of a tiny network, by real workers on a real cluster."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ray
import ray.exceptions

from fer_ray.cluster import session, training
from fer_ray.cluster.progress import Progress
from fer_ray.config import TrainConfig
from fer_ray.faces import demo
from fer_ray.faces.emotions import EMOTIONS
from fer_ray.job import Outcome
from fer_ray.runs import layout, metrics, record
from fer_ray.runs.storage import store
from tests.cluster.once import EVENTS, settings
from tests.drill.runs import wait_for
from tests.parquet_faces import write_faces
from tests.ray_head import processes, told_of

pytestmark = pytest.mark.usefixtures("ray_cluster")


@pytest.fixture(scope="module")
def storage(tiny_runs: Path) -> Path:
    return tiny_runs


# Where workers make no difference but that of rounding, with which a rate that is high would play.
PLAIN: dict[str, dict[str, Any]] = {
    "split": {"protocol": "paper"},
    "model": {"head": "paper", "dropout": 0.0},
    "optimizer": {"name": "adam", "learning_rate": 1e-4},
}


@pytest.fixture(scope="module")
def two(storage: Path) -> Outcome:
    """One with two, without batch normalisation and dropout, of the paper's leaky split."""
    return training.fit(settings(storage, "two", **PLAIN, cluster={"num_workers": 2}))


def digests(outcome: Outcome) -> dict[str, str]:
    """What every checkpoint's arrays hash to."""
    assert outcome.uri is not None
    folder = Path(outcome.uri) / layout.CHECKPOINTS
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*.npz"))
    }


def epochs(outcome: Outcome) -> list[dict[str, Any]]:
    assert outcome.uri is not None
    lines = (Path(outcome.uri) / layout.METRICS).read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_an_outcome_scores_every_face_of_validation_and_test_once(one: Outcome) -> None:
    told = one.model_dump()
    assert one.status == "done"
    assert not told["leaky"]
    for side in ("validation", "test"):
        matrix = np.array(told["metrics"][side]["confusion_matrix"])
        assert matrix.sum(1).tolist() == [told["counts"][side][name] for name in EMOTIONS]
        assert np.trace(matrix) / matrix.sum() == pytest.approx(told["metrics"][side]["accuracy"])


def test_an_outcome_says_of_the_faces_what_their_dataset_does(one: Outcome) -> None:
    told = one.model_dump()
    data = json.loads((Path(str(one.uri)) / layout.DATA).read_text())
    for name in ("counts", "refused_rows", "duplicates", "leaky", "validation"):
        assert told.get(name) == data[name]


def test_the_model_file_scores_what_validation_chose_it_by(one: Outcome) -> None:
    told = one.model_dump()
    chosen = epochs(one)[told["best_epoch"] - 1]["validation"]
    scored = told["metrics"]["validation"]
    assert scored["confusion_matrix"] == chosen["confusion_matrix"]
    assert scored["log_loss"] == pytest.approx(chosen["loss"], abs=1e-5)


def test_plain_keras_opens_the_model_where_this_package_is_not(
    one: Outcome, tmp_path: Path
) -> None:
    assert one.uri is not None
    faces, _ = demo.draw(0, 5, 0)
    np.save(tmp_path / "faces.npy", faces[..., None])
    script = (
        "import sys; sys.modules['fer_ray'] = None\n"
        "import keras, numpy as np\n"
        "model = keras.saving.load_model(sys.argv[1])\n"
        "given = model.predict(np.load('faces.npy').astype('float32'), verbose=0)\n"
        "assert given.shape == (5, 7) and given.dtype == 'float32'\n"
        "assert np.allclose(given.sum(1), 1, atol=1e-5)\n"
    )
    model = Path(one.uri) / layout.MODEL / layout.MODEL_FILE
    subprocess.run([sys.executable, "-c", script, str(model)], cwd=tmp_path, check=True)


def test_a_run_leaves_its_folder_whole(one: Outcome, storage: Path) -> None:
    run = storage / "one"
    names = {path.name for path in run.iterdir()}
    assert names >= {"config.yaml", "data.json", "metrics.jsonl", "run.json", "logs", "model"}
    assert [epoch["epoch"] for epoch in epochs(one)] == [1, 2]
    wanted = {"learning_rate", "train", "validation", "images_per_s", "seconds", "save_wait_s"}
    assert all(wanted <= set(epoch) for epoch in epochs(one))
    assert not any(epoch["leaky"] for epoch in epochs(one))
    log = (run / layout.driver_log(1)).read_text()
    assert "exporting epoch" in log
    assert "leaky" not in log
    log = (run / layout.worker_log(1, 1, 0)).read_text()
    assert "worker 0 of 1 begins at step 0, with 2 thread(s)" in log  # all of the node's
    assert "is complete" in log
    assert "all steps are done" in log
    groups = one.model_dump()["worker_groups"]
    assert groups == [{"attempt": 1, "group": 1, "step": 0, "workers": 1}]
    card = json.loads((run / "model" / layout.MODEL_FACTS).read_text())
    assert card["labels"] == list(EMOTIONS)


def test_the_same_name_again_returns_the_finished_outcome(one: Outcome, storage: Path) -> None:
    again = training.fit(settings(storage, "one", training=EVENTS | {"checkpoint_every_steps": 3}))
    assert again.status == "already_done"
    assert again.model_dump(exclude={"status"}) == one.model_dump(exclude={"status"})


@pytest.mark.usefixtures("one")
def test_the_same_name_with_other_settings_is_refused(storage: Path) -> None:
    with pytest.raises(ValueError, match=r"training\.epochs \(2, now 3\)"):
        training.fit(settings(storage, "one", training=EVENTS | {"epochs": 3}))


def test_two_workers_resumed_after_an_epoch_end_with_the_same_bits(
    two: Outcome, storage: Path
) -> None:
    resumed = storage / "two-resumed"
    shutil.copytree(storage / "two", resumed)
    (resumed / layout.OUTCOME).unlink()
    shutil.rmtree(resumed / layout.MODEL)
    first, last = sorted((resumed / layout.CHECKPOINTS).iterdir())
    shutil.rmtree(last)
    lost = resumed / layout.epoch_metrics(2)
    lost.write_text(lost.read_text().replace('"loss":', '"loss": 99.5, "was":'))
    elastic = {"num_workers": [1, 2]}  # a range goes another way through Ray Train
    again = training.fit(settings(storage, "two-resumed", **PLAIN, cluster=elastic))
    log = (resumed / layout.driver_log(2)).read_text()
    assert f"going on from step {layout.checkpoint_step(first.name)} of" in log
    assert log.count("epoch 2/2") == 1
    assert "99.5" not in log  # the epoch that went lost with its checkpoint is no news
    assert [group["step"] > 0 for group in again.model_dump()["worker_groups"]] == [False, True]
    assert {epoch["workers"] for epoch in epochs(again)} == {2}
    for group in (resumed / layout.worker_log(1, 1, 1), resumed / layout.worker_log(2, 1, 1)):
        assert "worker 1 of 2 begins" in group.read_text()
        assert "with 1 thread(s)" in group.read_text()  # each its share of the node
    assert digests(again) == digests(two)
    assert again.model_dump()["metrics"] == two.model_dump()["metrics"]


@pytest.mark.usefixtures("one")
def test_event_files_are_kept_when_asked_for(storage: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(storage / "one" / "tensorboard"))
    events.Reload()
    assert {"train/loss", "validation/macro_f1", "learning_rate"} <= set(events.Tags()["tensors"])


def test_two_workers_lose_as_one_does_without_batch_norm_and_dropout(
    two: Outcome, storage: Path
) -> None:
    alone = epochs(training.fit(settings(storage, "alone", **PLAIN)))
    together = epochs(two)
    for side in ("train", "validation"):
        told = [epoch[side]["loss"] for epoch in alone]
        assert [epoch[side]["loss"] for epoch in together] == pytest.approx(told, abs=1e-5)
    assert [epoch["batches"] for epoch in together] == [epoch["batches"] for epoch in alone]
    log = (storage / "alone" / layout.driver_log(1)).read_text()
    assert "epoch 1/2" in log
    assert all(epoch["leaky"] for epoch in alone)
    assert "(leaky)" in log


def test_a_run_whose_dataset_is_gone_and_whose_data_changed_is_refused(storage: Path) -> None:
    config = settings(storage, "changed")
    run = store(str(storage / "changed"))
    record.write_config(run, config)
    gone = {"dataset": f"{storage}/datasets/gone", "content": "of other faces"}
    record.write_document(run, layout.DATA, gone)
    with pytest.raises(ValueError, match=r"data\.uri must hold the faces that run changed began"):
        training.fit(config)


def test_a_run_that_ended_with_a_loss_that_is_not_finite_fails_with_advice(
    storage: Path,
) -> None:
    run = store(str(storage / "wild"))
    figures = {"step": 10, "validation": {"loss": 2.0}}
    metrics.append(run, 1, figures | {"train": {"loss": 2.0}})
    metrics.append(run, 2, figures | {"train": {"loss": float("inf")}})
    with pytest.raises(ArithmeticError, match=r"not finite in epoch 2.*optimizer\.learning_rate"):
        training.check_ended(run, Progress(step=10), last_step=30)


def test_a_run_on_its_own_faces_starts_from_pretrained_weights(
    one: Outcome, storage: Path, tmp_path: Path
) -> None:
    images, labels = demo.draw(5000, 600, 1)
    usages = ["Training"] * 500 + ["PublicTest"] * 100
    tuned = training.fit(
        settings(
            storage,
            "tuned",
            data={"uri": write_faces(tmp_path / "drawn.parquet", images, labels.tolist(), usages)},
            split={"protocol": "official"},
            model={"pretrained": f"{one.uri}/model/model.keras"},
            training={"epochs": 1, "precision": "mixed_bfloat16"},
        )
    )
    assert tuned.status == "done"
    (epoch,) = epochs(tuned)
    assert epoch["train"]["loss"] < epochs(one)[0]["train"]["loss"]
    assert tuned.model_dump()["validation"] == "0.1 of Training, by hash"


def test_pretrained_weights_that_do_not_fit_are_refused(one: Outcome, storage: Path) -> None:
    model = {"pretrained": f"{one.uri}/model/model.keras", "width": 0.05}
    with pytest.raises(ValueError, match=r"model\.pretrained|model\.width"):
        training.fit(settings(storage, "misfit", model=model))


def test_more_workers_than_cpus_are_refused_with_the_arithmetic(
    storage: Path,
) -> None:
    greedy = settings(storage, "greedy", cluster={"num_workers": 2, "cpus_per_worker": 1.0})
    with pytest.raises(ValueError, match=r"at most 0\.5 for 2 worker.*there are 2 CPUs"):
        training.fit(greedy)
    elastic = {"num_workers": [1, 2], "cpus_per_worker": 1.0}
    with pytest.raises(ValueError, match=r"must leave 1 CPU of a node.*: 2 fill a node of 2$"):
        training.fit(settings(storage, "elastic", cluster=elastic))
    gpus = settings(storage, "gpus", cluster={"use_gpu": True})
    with pytest.raises(ValueError, match=r"at most the GPUs there are \(0\)"):
        training.fit(gpus)


@ray.remote(num_cpus=0, max_retries=0)
def _fit(config: TrainConfig) -> None:
    training.fit(config)


def test_a_run_that_is_cancelled_gives_back_what_its_workers_had(storage: Path) -> None:
    """As a scheduler does with a trial: else the next ones find no CPU, and wait for ever."""
    endless = settings(storage, "endless", training={"epochs": 1_000})
    fitted = _fit.remote(endless)
    run = storage / "endless"
    try:
        wait_for(lambda: any(run.glob("metrics/*")), "an epoch")
        assert ray.available_resources()["CPU"] < 2
        assert processes(os.getpid(), "ray::PlacementGroupCleaner") == []  # there is no dashboard
        assert processes(os.getpid(), "ray::DatasetManager") == []  # workers make their streams
        claimed = "RAY_DATA_AUTOSCALING_REQUEST_EXPIRE_TIME_S=30\0"  # else 180 s after a kill
        assert told_of(os.getpid(), "ray::RayTrainWorker", "environ", claimed) == {True}
    finally:
        session.cancel(fitted)
    wait_for(lambda: ray.available_resources()["CPU"] == 2, "both CPUs", timeout_s=15)
    with pytest.raises(ray.exceptions.RayError):
        ray.get(fitted, timeout=15)
    assert json.loads((run / layout.LEASE).read_text())["released"]
