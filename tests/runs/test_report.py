"""A run's report: what it says, and how a browser shows it."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser

from fer_ray.config import TrainConfig
from fer_ray.faces import demo, sheets
from fer_ray.faces.emotions import EMOTIONS
from fer_ray.runs import layout, record, report, scores
from fer_ray.runs.storage import Store, store
from tests.runs.looking import printed_pages, shown_whole, sound
from tests.runs.test_scores import drawn


def outcome(run: Store, **changed: Any) -> dict[str, Any]:
    """What a run came to whose test side is 400 drawn predictions."""
    labels, probabilities = drawn(0)
    sides = {side: dict.fromkeys(EMOTIONS, 1_000) for side in layout.SIDES}
    counts = np.bincount(labels, minlength=7).tolist()
    return {
        "run": "a <b>run</b>",
        "uri": run.uri,
        "counts": sides | {"test": dict(zip(EMOTIONS, counts, strict=True))},
        "balanced": dict.fromkeys(EMOTIONS, 2_000),
        "duplicates": {"groups": 3, "faces": 7, "contradicting_groups": 1},
        "refused_rows": 12,
        "leaky": False,
        "epochs": 3,
        "best_epoch": 2,
        "worker_groups": [{"workers": 2}, {"workers": 1}],
        "metrics": {"test": scores.of_predictions(labels, probabilities)},
    } | changed


def epochs() -> list[dict[str, Any]]:
    return [
        {
            "epoch": number,
            "train": {"accuracy": 0.2 * number, "loss": 2 / number},
            "validation": {"accuracy": 0.5 - 0.1 * abs(number - 2), "loss": 1.5},
        }
        for number in (1, 2, 3)
    ]


def write(run: Store, **changed: Any) -> str:
    record.write_config(run, TrainConfig.model_validate({"data": {"uri": "demo:"}}))
    labels, probabilities = drawn(0)
    places = sheets.most_confident_mistakes(labels, probabilities, 24)
    images, _ = demo.draw(0, 24, seed=0)
    mistakes = sheets.captioned(images, labels[places], probabilities[places])
    report.write(run, outcome(run, **changed), epochs(), mistakes)
    return run.read_bytes(layout.REPORT_PAGE).decode()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Store:
    run = store(str(tmp_path_factory.mktemp("run")))
    write(run)
    return run


@pytest.fixture(scope="module")
def page(folder: Store) -> str:
    return folder.read_bytes(layout.REPORT_PAGE).decode()


def test_the_result_is_told_in_words(page: str) -> None:
    text = re.sub(r"\s+", " ", re.sub("<[^>]*>", " ", page))
    labels, probabilities = drawn(0)
    right = float(np.mean(labels == probabilities.argmax(axis=1)))
    assert f"on 400 test faces it names {100 * right:.0f} of 100 expressions rightly (95%:" in text
    named = probabilities.argmax(axis=1)
    recall = [np.mean(named[labels == label] == label) for label in range(7)]
    assert f"Weakest: {EMOTIONS[int(np.argmin(recall))]}." in text
    assert "resumed once" in text
    assert "1 to 2 workers" in text
    assert "refused: 12 rows" in text
    assert "3 groups of byte-identical faces (7 faces), 1 of them" in text
    assert "in epoch 2, which was chosen" in text
    assert "leaky" not in text.partition("Settings")[0]


def test_a_leaky_run_says_so_first(local_run: Store) -> None:
    text = write(local_run, leaky=True)
    assert text.index("leaky: relatives of test faces") < text.index("What it gets wrong")
    assert "the figures here are too high" in text


def test_it_is_a_sound_page(page: str) -> None:
    sound(page, pictures=4)
    assert "<b>" not in page
    assert "#01010" not in page


def test_the_same_run_gives_the_same_page(folder: Store, page: str) -> None:
    assert write(folder) == page


def test_a_run_without_a_mistake_has_a_page(local_run: Store) -> None:
    perfect = scores.of_predictions(np.arange(7), np.eye(7, dtype=np.float32))
    record.write_config(local_run, TrainConfig.model_validate({"data": {"uri": "demo:"}}))
    report.write(local_run, outcome(local_run, metrics={"test": perfect}), epochs(), [])
    text = local_run.read_bytes(layout.REPORT_PAGE).decode()
    assert "most confident mistakes" not in text
    assert "100 of 100" in text


def test_a_loss_that_was_no_number_leaves_its_curve_out(local_run: Store) -> None:
    record.write_config(local_run, TrainConfig.model_validate({"data": {"uri": "demo:"}}))
    lost = epochs()
    lost[1]["validation"]["loss"] = None
    report.write(local_run, outcome(local_run), lost, [])
    assert b"loss is not finite in epoch 2" in local_run.read_bytes(layout.REPORT_PAGE)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_a_browser_shows_it_whole(browser: Browser, folder: Store, width: int, scheme: Any) -> None:
    shown_whole(browser, Path(folder.root) / layout.REPORT_PAGE, width, scheme)


def test_it_prints_on_a4(browser: Browser, folder: Store) -> None:
    assert 3 <= printed_pages(browser, Path(folder.root) / layout.REPORT_PAGE) <= 9
