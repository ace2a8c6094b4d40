"""Preflight's parts on a cluster of two CPUs; the whole, on a cluster of nodes, is a job's test."""

import socket
from pathlib import Path
from typing import Any

import pytest
import ray

from fer_ray.cluster import checking, inputs, nodes, rehearsal
from fer_ray.cluster.dataset import prepare
from fer_ray.cluster.nodes import Said
from fer_ray.cluster.rehearsal import Rehearsed
from fer_ray.preflight import PreflightConfig
from fer_ray.runs.checks import Check

pytestmark = pytest.mark.usefixtures("ray_cluster")


def settings(storage: Path, **given: Any) -> PreflightConfig:
    made: dict[str, Any] = {
        "data": {"uri": "demo:", "demo_faces": 400},
        "storage": {"uri": str(storage)},
        "balance": {"target": "none"},
    }
    return PreflightConfig.model_validate(made | given)


def said(state: Any, python: str = "3.11", told: str = "yes") -> Said:
    versions = {"python": python} | dict.fromkeys(nodes.PACKAGES, "1")
    return Said(versions, [Check("storage: write", state, told, "mend it")], None)


def test_a_node_with_other_software_is_named() -> None:
    versions = {name: said("passed", python).versions for name, python in NODES.items()}
    told = nodes._equal(versions)
    assert told.state == "failed"
    assert told.told == "must be equal everywhere, got python 3.11 on a, c; 3.12 on b"
    assert nodes._equal({"a": versions["a"], "c": versions["c"]}).state == "passed"


NODES = {"a": "3.11", "b": "3.12", "c": "3.11"}


def test_nodes_are_named_by_address_the_head_first() -> None:
    def node(number: int, address: str, **resources: float) -> dict[str, Any]:
        return {"NodeID": f"{number}", "NodeManagerAddress": address, "Resources": resources}

    head = node(9, "10.0.0.9", **{"node:__internal_head__": 1.0})
    some = [node(1, "10.0.0.1"), head, node(3, "10.0.0.1"), node(2, "10.0.0.2")]
    told = {name: one["NodeID"] for name, one in nodes._named(some).items()}
    assert list(told.items()) == [
        ("10.0.0.9 (head)", "9"),
        ("10.0.0.1", "1"),
        ("10.0.0.2", "2"),
        ("10.0.0.1 #3", "3"),
    ]


def test_nodes_that_do_not_answer_are_named() -> None:
    told = nodes._answered(["a", "b", "c"], {"b": said("passed")})
    assert (told.state, told.told) == ("failed", "of 3 nodes these did not within 25 s: a, c")
    assert nodes._answered(["b"], {"b": said("passed")}).told == "1 of 1"


def test_a_cluster_whose_nodes_do_no_work_has_nobody_to_reach() -> None:
    assert nodes._reached({}, {}).state == "not tried"
    assert nodes._reached({"a": None, "b": None}, {"a": [], "b": []}).state == "passed"


def test_a_right_is_what_the_node_has_that_has_it_least() -> None:
    (told,) = nodes.rights_of_all({"a": said("passed"), "b": said("failed", told="denied")})
    assert (told.state, told.told) == ("failed", "denied (on b)")
    (told,) = nodes.rights_of_all({"a": said("passed"), "b": said("passed")})
    assert (told.state, told.told) == ("passed", "yes")


def test_a_node_that_does_not_listen_is_missed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        there = listening.getsockname()
        probe = nodes._Probe.remote("127.0.0.1")  # type: ignore[attr-defined]
        assert ray.get(probe.missed.remote({"b": there, "c": ("127.0.0.1", 9)})) == ["c"]
    told = nodes._reached({"a": None, "b": None, "c": None}, {"a": ["c"], "b": []})
    assert (told.state, told.told) == ("failed", "a not c; c gave no answer")


def test_this_cluster_answers_and_agrees_with_itself(tmp_path: Path) -> None:
    checks, told = nodes.ask(str(tmp_path))
    assert [one.state for one in checks] == ["passed"] * 3, checks
    assert len(told) == 1


def test_a_dataset_tells_how_many_faces_an_epoch_has(tmp_path: Path) -> None:
    few = {"neighbors": 2, "target": 100}
    config = settings(tmp_path, balance=few)
    check, faces = inputs.look(config)
    assert (check.state, check.told, faces) == ("passed", "drawn faces", None)
    prepare(config)
    check, faces = inputs.look(config)
    assert check.state == "passed"
    assert "a prepared dataset, whole by its manifest" in check.told
    assert faces == 700


def test_a_dataset_with_a_damaged_part_fails(tmp_path: Path) -> None:
    made = Path(prepare(settings(tmp_path)).uri)
    part = made / "test" / "part-00000.parquet"
    part.write_bytes(part.read_bytes()[::-1])
    check, _ = inputs.look(settings(tmp_path / "other", data={"uri": str(made)}))
    assert check.state == "failed"
    assert "got other bytes in test/part-00000.parquet" in check.told


def test_an_input_that_is_not_there_fails_with_its_sentence(tmp_path: Path) -> None:
    missing = tmp_path / "missing.csv"
    missing.write_text("emotion,pixels\n")
    check, _ = inputs.look(settings(tmp_path / "runs", data={"uri": str(missing)}))
    assert check.state == "failed"
    assert check.told.startswith("data.uri must hold faces, got no rows")


def test_time_and_price_follow_from_what_was_rehearsed(tmp_path: Path) -> None:
    config = settings(
        tmp_path, training={"epochs": 10}, preflight={"rehearse": True, "worker_price": 1.5}
    )
    seen = Rehearsed(workers=2, images_per_s=100.0, same_bits=True, resumed_at=4, last_step=8)
    estimate = checking._estimate(config, 36_000, seen)
    assert estimate is not None
    assert (estimate.seconds, estimate.cost) == (3600.0, 3.0)
    told = checking._of_estimate(config, 36_000, seen, estimate)
    assert told.told.endswith("about 1 h 0 min of steps, validation and saving apart; costs 3.00")
    assert checking._estimate(config, None, seen) is None
    assert checking._estimate(config, 36_000, None) is None
    missing = ["a rehearsal (--preflight.rehearse true)"]
    missing += ["a prepared dataset as data.uri (jobs/prepare.py)"]
    for faces, some, expected in (
        (None, seen, missing[1:]),
        (None, None, missing),
        (9, None, missing[:1]),
    ):
        told = checking._of_estimate(config, faces, some, None)
        assert (told.state, told.told) == (
            "not tried",
            f"to tell it takes {' and '.join(expected)}",
        )


def test_a_dataset_that_is_balanced_is_not_balanced_again(tmp_path: Path) -> None:
    config = settings(tmp_path, balance={"target": 50, "neighbors": 2})
    counts = {"anger": 100, "fear": 20}
    assert inputs._epoch(config, counts, balanced=True) == 120
    assert inputs._epoch(config, counts, balanced=False) == 100


def test_a_rehearsal_is_the_run_but_for_faces_length_and_place(tmp_path: Path) -> None:
    own = {"epochs": 40, "batch_size": 96, "early_stopping": 5, "checkpoint_every_steps": 10}
    given = settings(tmp_path, training=own, optimizer={"warmup_epochs": 3})
    short = rehearsal._short(given, f"{tmp_path}/there")
    assert short.data.demo_faces * 0.8 == pytest.approx(8 * 96, abs=1)
    assert (short.training.epochs, short.training.batch_size) == (2, 96)
    assert (short.training.early_stopping, short.training.checkpoint_every_steps) == (None, None)
    assert (short.optimizer.warmup_epochs, short.storage.uri) == (0, f"{tmp_path}/there")
    assert short.model == given.model
    assert short.cluster == given.cluster


@pytest.mark.parametrize(
    ("same", "resumed_at", "state"),
    [(True, 4, "passed"), (False, 4, "warned"), (True, 0, "failed")],
)
def test_a_resume_is_judged_by_where_it_began_and_its_bits(
    tmp_path: Path, same: bool, resumed_at: int, state: str
) -> None:
    seen = Rehearsed(2, 100.0, same, resumed_at, last_step=8)
    assert checking._shown(settings(tmp_path), seen)[-1].state == state


def test_gpus_are_tried_only_where_the_run_uses_them(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"cluster\.use_gpu must be true with preflight\.gpu"):
        settings(tmp_path, preflight={"gpu": True})
