"""fer_ray.cluster.retraining and fer_ray.runs.by_hand: champions made, kept, refused, brought back.

One story on a real cluster: faces come, a champion is made of them, challengers meet it.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from fer_ray import plain_yaml
from fer_ray.cluster import dataset, judging, retraining
from fer_ray.config import TrainConfig
from fer_ray.job import EXIT_CODES, Outcome
from fer_ray.promotion import RetrainConfig
from fer_ray.runs import by_hand, champion, doctor, gate, layout, lease
from fer_ray.runs.storage import store
from tests.runs.looking import words

pytestmark = pytest.mark.usefixtures("ray_cluster")

# As much worse as it likes, so that what is tested is not luck.
LENIENT = {
    "min_faces": 20,
    "min_gain": -1,
    "class_drop": 1,
    "calibration_rise": 1,
}


# One that learns nothing, before a gate that means it.
USELESS = {
    "optimizer": {"learning_rate": 1e-12},
    "training": {"epochs": 2, "batch_size": 32},
    "gate": {"min_faces": 20},
}

WARM = {
    "optimizer": {"learning_rate": 1e-12},
    "training": {"epochs": 2, "batch_size": 32},
    "retrain": {"who": "schedule", "warm_start": True},
}


def settings(storage: Path, run: str | None, faces: int, **sections: Any) -> RetrainConfig:
    told = {
        "data": {"uri": "demo:", "demo_faces": faces},
        "model": {"width": 0.03},
        "optimizer": {"learning_rate": 0.003},
        "training": {"epochs": 4, "batch_size": 32},
        "cluster": {"cpus_per_worker": 0.5},
        "storage": {"uri": str(storage)},
        "gate": LENIENT,
        "retrain": {"who": "schedule"},
        "run": run,
    }
    return RetrainConfig.model_validate(told | sections)


def by(storage: Path, **retrain: Any) -> Outcome:
    return by_hand.set_champion(settings(storage, None, 700, retrain={"who": "Ada"} | retrain))


def page_of(storage: Path, run: str) -> str:
    return words((storage / run / layout.GATE_PAGE).read_text())


def champions(storage: Path) -> list[tuple[str, str]]:
    """How each became champion, and which run it was."""
    return [(entry.how, entry.run) for entry in champion.history(store(str(storage)))]


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("storage")


@pytest.fixture(scope="module")
def first(storage: Path) -> Outcome:
    return retraining.retrain(settings(storage, "monday", 700))


@pytest.fixture(scope="module")
def refused(storage: Path, first: Outcome) -> Outcome:
    """A challenger that learned nothing, on more faces."""
    assert first.status == "done", first
    return retraining.retrain(settings(storage, "tuesday", 800, **USELESS))


@pytest.fixture(scope="module")
def second(storage: Path, refused: Outcome) -> Outcome:
    assert refused.status == "refused", refused
    return retraining.retrain(settings(storage, "wednesday", 800))


def test_the_first_champion_beats_the_most_frequent_emotion(storage: Path, first: Outcome) -> None:
    assert first.status == "done", first
    assert first.model_dump()["champion"]["run"] == "monday"
    assert champions(storage)[0] == ("first", "monday")
    entry = champion.history(store(str(storage)))[0]
    assert entry.who == "schedule"
    told = json.loads((storage / "monday" / layout.GATE).read_text())
    assert [rule["name"] for rule in told["verdict"]["rules"]] == ["faces", "floor"]
    assert "Run monday became champion." in words(
        (storage / "monday" / layout.GATE_PAGE).read_text()
    )


def test_nothing_new_is_skipped_and_no_run_begins(storage: Path, first: Outcome) -> None:
    assert first.status == "done"
    outcome = retraining.retrain(settings(storage, "monday-again", 700))
    assert (outcome.status, EXIT_CODES[outcome.status]) == ("skipped", 0)
    assert "no face is new since the champion, run monday," in outcome.model_dump()["reason"]
    assert not (storage / "monday-again").exists()


def test_a_challenger_that_is_worse_is_refused_by_the_rules_that_it_fails(
    storage: Path, refused: Outcome
) -> None:
    assert EXIT_CODES[refused.status] == 3
    told = refused.model_dump()
    assert told["champion"]["run"] == "monday"
    failed = [rule["name"] for rule in told["verdict"]["rules"] if not rule["passed"]]
    assert "gain" in failed
    page = page_of(storage, "tuesday")
    assert "Refused: run monday stays champion." in page
    for rule in told["verdict"]["rules"]:
        assert rule["told"] in page
        assert (rule["told"] in str(refused.error)) is not rule["passed"]


def test_what_was_refused_is_not_trained_again_until_something_changes(
    storage: Path, refused: Outcome
) -> None:
    again = retraining.retrain(settings(storage, "tuesday-again", 800, **USELESS))
    assert again.status == "refused"
    told = f"nothing has changed since run tuesday was refused: {refused.error}"
    assert (again.error, (storage / "tuesday-again").exists()) == (told, False)


def test_a_challenger_that_passes_takes_the_champions_place(storage: Path, second: Outcome) -> None:
    assert second.status == "done", second
    assert champions(storage)[:2] == [("first", "monday"), ("gate", "wednesday")]
    details = second.model_dump()["verdict"]["details"]
    assert sum(one["support"] for one in details["recall_by_class"].values()) > 60


def test_the_doctor_knows_what_a_retraining_leaves(storage: Path, second: Outcome) -> None:
    assert second.status == "done"
    for run in ("tuesday", "wednesday"):
        found = {one.key: one for one in doctor.examine(store(str(storage / run))).findings}
        assert {one.state for one in found.values()} <= {"whole", "left over"}
        assert found[layout.GATE].told.startswith("the gate: ")


def test_a_name_that_ended_ends_the_same_way_again(storage: Path, second: Outcome) -> None:
    before = champions(storage)
    again = retraining.retrain(settings(storage, "wednesday", 800))
    assert again.model_dump() == second.model_dump() | {"status": "already_done"}
    worse = retraining.retrain(settings(storage, "tuesday", 800, **USELESS))
    assert worse.status == "refused"
    other = retraining.retrain(settings(storage, "tuesday", 800))
    assert "run must name a run of the same settings" in str(other.error)
    assert "optimizer.learning_rate (1e-12, now 0.003)" in str(other.error)
    (storage / "wednesday" / layout.GATE).unlink()  # as if it was killed before it could say so
    again = retraining.retrain(settings(storage, "wednesday", 800))
    assert again.status == "done"
    assert champions(storage) == before


@pytest.mark.parametrize("split", [{"seed": 1}, {"fractions": [0.7, 0.2, 0.1]}])
def test_faces_must_keep_their_sides(storage: Path, second: Outcome, split: Any) -> None:
    assert second.status == "done"
    outcome = retraining.retrain(settings(storage, "other", 900, split=split))
    assert outcome.status == "invalid"
    assert f"split.{next(iter(split))} (" in str(outcome.error)
    assert not (storage / "other").exists()


@pytest.fixture(scope="module")
def overtaken(storage: Path, second: Outcome) -> tuple[Outcome, list[str]]:
    """A warm start that learns nothing, and the champions that it met: another came in between."""
    assert second.status == "done", second
    judge, met = gate.judge, []

    def meanwhile(*given: Any) -> gate.Verdict:
        entry = champion.read(store(str(storage))).entry
        assert entry is not None
        met.append(entry.run)
        if len(met) == 1:
            assert by(storage, promote="monday", why="in between").status == "done"
        return judge(*given)

    with pytest.MonkeyPatch.context() as patches:
        patches.setattr(gate, "judge", meanwhile)
        return retraining.retrain(settings(storage, "thursday", 900, **WARM)), met


def test_who_is_overtaken_is_judged_against_the_new_champion(
    storage: Path, overtaken: tuple[Outcome, list[str]]
) -> None:
    outcome, met = overtaken
    assert outcome.status == "done", outcome
    assert met == ["wednesday", "monday"]
    assert champions(storage)[2:] == [("promote", "monday"), ("gate", "thursday")]


def test_champions_are_set_by_hand_with_who_and_why(
    storage: Path, refused: Outcome, tmp_path: Path
) -> None:
    assert refused.status == "refused"
    place = tmp_path / "runs"
    for name, run in (("a", "monday"), ("b", "tuesday")):
        shutil.copytree(storage / run, place / name)
        assert by(place, promote=name, why=f"{name} was audited").run == name
    outcome = by(place, rollback=True, why="complaints")
    assert (outcome.run, outcome.model_dump()["before"]["run"]) == ("a", "b")
    entry = champion.history(store(str(place)))[-1]
    assert (entry.how, entry.who, entry.why) == ("rollback", "Ada", "complaints")
    with pytest.raises(ValueError, match="must have a champion to return to, got none"):
        by(place, rollback=True, why="more complaints")
    with pytest.raises(ValueError, match=r"must name a run of jobs/train\.py that is finished"):
        by(place, promote="c", why="it was not there")
    (place / "b" / layout.MODEL / layout.MODEL_FILE).write_bytes(b"another")
    with pytest.raises(ValueError, match="must lead to the model that was exported"):
        by(place, promote="b", why="it is another")


def kernels(storage: Path, run: str) -> list[np.ndarray]:
    """The weights of a run's convolutions."""
    path = storage / run / layout.MODEL / layout.MODEL_FILE
    layers = keras.saving.load_model(path, compile=False).layers
    return [one.get_weights()[0] for one in layers if isinstance(one, keras.layers.Conv2D)]


def test_a_warm_start_begins_with_the_champions_weights(
    storage: Path, overtaken: tuple[Outcome, list[str]]
) -> None:
    outcome, (champions_run, _) = overtaken
    assert outcome.status == "done", outcome
    again = retraining.retrain(settings(storage, "thursday", 900, **WARM))
    assert again.status == "already_done"  # though it is champion itself now
    runs = ("thursday", champions_run, "tuesday")
    warm, champions_own, cold = (kernels(storage, run) for run in runs)
    assert len(warm) == 16
    for mine, theirs, fresh in zip(warm, champions_own, cold, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-6)
        assert np.abs(fresh - theirs).max() > 1e-3


def test_what_was_rolled_back_does_not_come_back_by_itself(storage: Path, second: Outcome) -> None:
    assert second.status == "done"
    now = champions(storage)[-1][1]
    faces = json.loads((storage / now / layout.DATA).read_text())["counts"]
    count = sum(sum(some.values()) for some in faces.values())
    assert by(storage, rollback=True, why="complaints").status == "done"
    saved = plain_yaml.load((storage / now / layout.CONFIG).read_text())
    same = {name: saved[name] for name in ("optimizer", "model", "data", "training")}
    outcome = retraining.retrain(settings(storage, "again", count, **same))
    told = f"since run {now}, made of the same faces, was rolled back by Ada: complaints"
    assert outcome.status == "refused"
    assert told in str(outcome.error)
    assert not (storage / "again").exists()


def test_a_champion_whose_model_is_gone_is_missed_before_anything_is_trained(
    storage: Path, second: Outcome, tmp_path: Path
) -> None:
    assert second.status == "done"
    shutil.copytree(storage, tmp_path / "runs")
    entry = champion.read(store(str(tmp_path / "runs"))).entry
    assert entry is not None
    shutil.copytree(storage / "monday", tmp_path / "runs" / "mine", dirs_exist_ok=True)
    assert by(tmp_path / "runs", promote="mine", why="to be lost").status == "done"
    model = tmp_path / "runs" / "mine" / layout.MODEL / layout.MODEL_FILE
    for change, told in (
        (
            lambda: model.write_bytes((storage / "tuesday/model/model.keras").read_bytes()),
            "got another",
        ),
        (model.unlink, "there is no"),
    ):
        change()
        outcome = retraining.retrain(settings(tmp_path / "runs", "next", 950))
        assert outcome.status == "invalid"
        assert told in str(outcome.error)
        assert not (tmp_path / "runs" / "next").exists()
        model.touch()


@pytest.mark.parametrize(
    ("section", "wrong", "told"),
    [
        ("split", {"protocol": "official"}, "split.protocol must be 'hashed'"),
        ("split", {"protocol": "paper"}, "split.protocol must be 'hashed'"),
        ("retrain", {"rollback": True}, "retrain.why must say why"),
        ("retrain", {"promote": "it"}, "retrain.why must say why"),
        ("retrain", {"promote": "sweep/winner", "why": "x"}, "must be up to 100 letters"),
        ("retrain", {"promote": "sweep/trials/0003", "why": "x"}, "must be up to 100 letters"),
        ("retrain", {"promote": "it", "rollback": True, "why": "x"}, "must not stand together"),
        ("gate", {"confidence": 0.5}, "greater than 0.5"),
    ],
)
def test_wrong_settings_are_refused(section: str, wrong: Any, told: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=told):
        settings(tmp_path, "it", 700, **{section: wrong})


@pytest.mark.parametrize("gate", [{}, {"gate": {"min_gain": 0.9}}], ids=["passed", "refused"])
@pytest.mark.parametrize("asked", [0, 1, 2])
def test_who_lost_the_run_while_judging_overwrites_nothing(
    storage: Path, overtaken: tuple[Outcome, list[str]], asked: int, gate: dict[str, Any]
) -> None:
    """Another has judged it, and it is champion: it would be refused, as no better than itself."""
    assert overtaken[0].status == "done"
    config = settings(storage, "thursday", 900, **WARM | gate)
    data = dataset.finished(config)
    assert data is not None
    runs, lost = store(str(storage)), iter([None] * asked)

    def may() -> None:
        if next(lost, "lost"):
            raise lease.LostError("another has the run")

    def kept() -> dict[str, bytes]:
        folders = (layout.CHAMPIONS, f"thursday/{layout.GATE_FOLDER}")
        keys = [entry.key for folder in folders for entry in runs.listing(folder)]
        return {key: runs.read_bytes(key) for key in keys}

    before = kept()
    challenger = TrainConfig.model_validate(
        config.model_dump(mode="json", exclude={"gate", "retrain"})
    )
    with pytest.raises(lease.LostError):
        judging.judged(config, runs.folder("thursday"), challenger, data, may, lambda _: None)
    changed = {key for key, content in kept().items() if before.get(key) != content}
    assert f"thursday/{layout.GATE}" not in changed
    assert (f"thursday/{layout.GATE_PAGE}" in changed) == (asked == 2)
    assert any(key.startswith(layout.CHAMPIONS) for key in changed) == (asked > 0)
