"""fer_ray.runs.model_card: what a model's file says of itself."""

import pytest
import yaml

from fer_ray.config import TrainConfig
from fer_ray.faces.emotions import EMOTIONS
from fer_ray.runs import model_card
from fer_ray.runs.storage import Store
from tests.runs.test_report import outcome


def card(run: Store, **changed: object) -> str:
    settings = {"data": {"uri": "demo:"}, "optimizer": {"learning_rate": 0.003}}
    config = TrainConfig.model_validate(settings).model_dump(mode="json")
    model_card.write(run, outcome(run, **changed), config, "0123456789abcdef0123")
    return run.read_bytes("model/README.md").decode()


def test_a_card_says_what_the_model_is_worth_and_what_it_was_made_of(local_run: Store) -> None:
    text = card(local_run)
    told = outcome(local_run)["metrics"]["test"]
    front, body = text.split("---\n")[1:3]
    assert yaml.safe_load(front)["library_name"] == "keras"
    assert f"{told['accuracy']:.1%} rightly" in body
    for name in EMOTIONS:
        one = told["by_class"][name]
        low, high = told["intervals"]["recall_by_class"][name]
        assert (
            f"| {name} | {one['recall']:.3f} ({low:.3f}–{high:.3f}) | {one['precision']:.3f}"
            in body
        )
    assert "content `0123456789abcdef`" in body
    assert "adam at 0.003" in body
    assert "Do not believe" not in body


def test_a_card_of_a_leaky_run_says_not_to_believe_it(local_run: Store) -> None:
    assert "**Do not believe these figures.**" in card(local_run, leaky=True)


@pytest.mark.parametrize("word", ["<", "{{", "&amp;", "None", "&#"])
def test_a_card_is_plain_markdown(local_run: Store, word: str) -> None:
    assert word not in card(local_run).replace("a <b>run</b>", "")
