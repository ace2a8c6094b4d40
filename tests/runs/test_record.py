"""fer_ray.runs.record: a run's settings and outcome, and what makes it another run."""

import math
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from fer_ray.config import TrainConfig
from fer_ray.runs import record
from fer_ray.runs.layout import OUTCOME
from fer_ray.runs.storage import Store

GIVEN = {"data": {"uri": "demo:"}}


def config(**changed: Any) -> TrainConfig:
    """Settings for drawn faces, with some changed."""
    return TrainConfig.model_validate(GIVEN | changed)


def settings(**changed: Any) -> dict[str, Any]:
    return config(**changed).model_dump(mode="json")


def test_settings_come_back_whole_and_in_their_order(run: Store) -> None:
    given_config = config(optimizer={"learning_rate": 1e-5}, cluster={"num_workers": (1, 4)})
    record.write_config(run, given_config)
    read = record.read_config(run)
    assert read is not None
    assert TrainConfig.model_validate(read) == given_config
    assert list(read) == list(TrainConfig.model_fields)
    assert list(read["training"]) == list(settings()["training"])
    assert record.differing(read, given_config.model_dump(mode="json")) == []


def test_a_saved_config_is_a_file_for_the_config_flag(local_run: Store) -> None:
    record.write_config(local_run, config())
    text = local_run.read_bytes("config.yaml").decode()
    assert text.startswith("# schema_version: 1\n")
    assert yaml.safe_load(text) == settings()


def test_a_new_run_has_neither_settings_nor_outcome(run: Store) -> None:
    assert record.read_config(run) is None
    assert record.read_document(run, OUTCOME) is None


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (
            b"# schema_version: 2\nseed: 1\n",
            "must begin with '# schema_version: 1', got '# schema_",
        ),
        (b"seed: 1\n", "must begin with '# schema_version: 1', got 'seed: 1'"),
        (b"# schema_version: 1\n- 1\n", r"must hold sections of settings, got \[1\]"),
        (b"# schema_version: 1\n{", "must be YAML, got other content"),
        (b"# schema_version: 1\nday: 2026-99-99", "must be YAML, got other content"),
        (b"# schema_version: 1\n" + b"[" * 9_000, "must be YAML, got other content"),
        (b"\xff", "must be YAML, got other content"),
    ],
    ids=lambda value: repr(value[:40]),
)
def test_settings_that_cannot_be_read_are_told(
    local_run: Store, content: bytes, sentence: str
) -> None:
    local_run.write_bytes("config.yaml", content)
    with pytest.raises(ValueError, match=f"^config.yaml {sentence}"):
        record.read_config(local_run)


def test_the_outcome_comes_back(run: Store) -> None:
    outcome = {"status": "done", "metrics": {"test": {"accuracy": 1 / 3}}}
    record.write_document(run, OUTCOME, outcome)
    assert record.read_document(run, OUTCOME) == outcome
    assert b'"schema_version": 1' in run.read_bytes(OUTCOME)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "must be JSON, got other content"),
        (b"\xff", "must be JSON, got other content"),
        (b"[" * 100_000, "must be JSON, got other content"),
        (b"[]", "must be of schema_version 1, got None"),
        (b"{}", "must be of schema_version 1, got None"),
        (b'{"schema_version": 2}', "must be of schema_version 1, got 2"),
    ],
    ids=lambda value: repr(value[:40]),
)
def test_an_outcome_that_cannot_be_read_is_told(
    local_run: Store, content: bytes, sentence: str
) -> None:
    local_run.write_bytes(OUTCOME, content)
    with pytest.raises(ValueError, match=f"^run.json {sentence}$"):
        record.read_document(local_run, OUTCOME)


def test_an_outcome_with_a_number_that_is_not_finite_is_refused_unwritten(
    local_run: Store,
) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        record.write_document(local_run, OUTCOME, {"loss": math.nan})
    assert record.read_document(local_run, OUTCOME) is None


def test_settings_that_make_another_run_are_named_with_both_values() -> None:
    old = settings(training={"epochs": 10}, run="a")
    new = settings(training={"epochs": 20}, model={"head": "paper"}, seed=1, run="b")
    assert record.differing(old, new) == [
        "seed (0, now 1)",
        'model.head ("bn", now "paper")',
        "training.epochs (10, now 20)",
    ]


@pytest.mark.parametrize(
    "changed",
    [
        {"cluster": {"num_workers": 2, "use_gpu": True}},
        {"verbose": True},
        {"training": {"checkpoint_every_steps": 5}},
        {"run": "another"},
        {"storage": {"uri": "/elsewhere"}},
    ],
    ids=lambda changed: str(next(iter(changed))),
)
def test_where_and_how_a_run_computes_may_change(changed: dict[str, Any]) -> None:
    assert record.differing(settings(), settings(**changed)) == []


def test_a_whole_number_equals_itself_with_a_point() -> None:
    assert record.differing({"augment": {"rotation": 0}}, {"augment": {"rotation": 0.0}}) == []


def test_a_setting_that_one_side_does_not_know_differs() -> None:
    assert record.differing({"seed": 0, "gone": {"x": 1}}, {"seed": 0, "new": "y"}) == [
        'new (unset, now "y")',
        "gone.x (1, now unset)",
    ]


@given(st.sampled_from(sorted(settings()["augment"])), st.booleans())
def test_every_setting_of_a_concern_counts(field: str, forwards: bool) -> None:
    other = settings()
    other["augment"] = other["augment"] | {field: "changed"}
    pair = (settings(), other) if forwards else (other, settings())
    assert len(record.differing(*pair)) == 1
