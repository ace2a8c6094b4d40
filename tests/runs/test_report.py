"""A run's report: what it says, and how a browser shows it."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from playwright.sync_api import Browser

from fer_ray.config import TrainConfig
from fer_ray.faces import demo, sheets
from fer_ray.faces.emotions import EMOTIONS
from fer_ray.runs import layout, record, report, scores
from fer_ray.runs.shown import Shown
from fer_ray.runs.storage import Store, store
from tests.runs.looking import printed_pages, shown_whole, sound, words
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
            "validation": {"accuracy": 0.5 - 0.1 * abs(number - 2), "macro_f1": 0.3, "loss": 1.5},
        }
        for number in (1, 2, 3)
    ]


def write(run: Store, **changed: Any) -> str:
    record.write_config(run, TrainConfig.model_validate({"data": {"uri": "demo:"}}))
    labels, probabilities = drawn(0)
    places = sheets.most_confident_mistakes(labels, probabilities, 24)
    images, _ = demo.draw(0, 24, seed=0)
    votes = np.zeros((24, 10), np.uint8)
    votes[0, [6, 2]] = 7, 3
    mistakes = sheets.captioned(images, labels[places], probabilities[places], votes)
    made = {
        "title": "What SMOTE made",
        "columns": ["one parent", "the other", "SMOTE's blend"],
        "rows": [{"label": "disgust", "faces": [sheets.data_uri(face) for face in images[:3]]}],
    }
    shown = Shown(outcome(run, **changed), "test", epochs=epochs(), mistakes=mistakes)
    report.write(run, replace(shown, sheets=[made]))
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
    text = words(page)
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
    assert "two lines compare in their course, not in their height: training's is of aug" in text
    assert "leaky" not in text.partition("Settings")[0]


def test_a_leaky_run_says_so_first(local_run: Store) -> None:
    text = write(local_run, leaky=True)
    assert text.index("leaky: relatives of test faces") < text.index("What it gets wrong")
    assert "the figures here are too high" in text


def test_it_is_a_sound_page(page: str) -> None:
    sound(page, pictures=5)
    assert "<b>" not in page
    assert "#01010" not in page


def test_the_same_run_gives_the_same_page(folder: Store, page: str) -> None:
    assert write(folder) == page


def test_a_run_without_a_mistake_has_a_page(local_run: Store) -> None:
    perfect = scores.of_predictions(np.arange(7), np.eye(7, dtype=np.float32))
    record.write_config(local_run, TrainConfig.model_validate({"data": {"uri": "demo:"}}))
    told = outcome(local_run, metrics={"test": perfect})
    report.write(local_run, Shown(told, "test", epochs=epochs()))
    text = local_run.read_bytes(layout.REPORT_PAGE).decode()
    assert "most confident mistakes" not in text
    assert "100 of 100" in text


def test_a_loss_that_was_no_number_leaves_its_curve_out(local_run: Store) -> None:
    record.write_config(local_run, TrainConfig.model_validate({"data": {"uri": "demo:"}}))
    lost = epochs()
    lost[1]["validation"]["loss"] = None
    report.write(local_run, Shown(outcome(local_run), "test", epochs=lost))
    assert b"loss is not finite in epoch 2" in local_run.read_bytes(layout.REPORT_PAGE)


def test_what_smote_made_stands_beside_its_parents(page: str) -> None:
    sheet = page.partition("What SMOTE made")[2].partition("</table>")[0]
    alts = re.findall('alt="([^"]*)"', sheet)
    assert alts == ["disgust, one parent", "disgust, the other", "disgust, SMOTE&#39;s blend"]


def test_a_mistake_is_shown_with_what_annotators_said(page: str) -> None:
    assert page.count("fear 7, surprise 3") == 1


def test_programs_find_in_json_what_the_page_says(folder: Store) -> None:
    told = json.loads(folder.read_bytes(layout.REPORT_DATA))
    assert told["schema_version"] == layout.SCHEMA_VERSION
    assert told["outcome"] == json.loads(json.dumps(outcome(folder)))
    assert told["epochs"] == epochs()
    assert set(told["mistakes"][0]) == {"true", "named", "probability", "votes"}
    assert told["command"].startswith("python jobs/train.py --config ")
    assert "numpy" in told["versions"]


def test_every_plot_is_a_picture_for_slides_in_the_colours_of_paper(folder: Store) -> None:
    names = {entry.key for entry in folder.listing(layout.REPORT) if entry.key.endswith(".png")}
    plots = ("recall", "reliability", "curve-accuracy", "curve-macro-f1", "curve-loss")
    assert names == {layout.report_picture(name) for name in (*plots, "confusion", "mistakes")}
    for name in sorted(names):
        content = np.frombuffer(folder.read_bytes(name), np.uint8)
        picture = cv2.imdecode(content, cv2.IMREAD_COLOR)
        assert picture.shape[1] >= 700
        assert picture[0, 0].tolist() == [0xFA, 0xFC, 0xFC]  # paper, as OpenCV has it: BGR
        assert (picture == [0x1F, 0x1D, 0x1C]).all(axis=2).any()  # ink
        stand_ins = (picture.max(axis=2) <= 5) & (picture.min(axis=2) == 1)
        assert not stand_ins[picture.std(axis=2) < 2].any() or "mistakes" in name


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_a_browser_shows_it_whole(browser: Browser, folder: Store, width: int, scheme: Any) -> None:
    shown_whole(browser, Path(folder.root) / layout.REPORT_PAGE, width, scheme)


def test_it_prints_on_a4(browser: Browser, folder: Store) -> None:
    assert 3 <= printed_pages(browser, Path(folder.root) / layout.REPORT_PAGE) <= 9
