"""An evaluation's report: what it says of other models, and of what each knew of the faces."""

import re
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Browser

from fer_ray.config import TrainConfig
from fer_ray.runs import comparing, layout, record, report, scores
from fer_ray.runs.shown import Shown
from fer_ray.runs.storage import Store
from tests.runs.looking import shown_whole, sound, words
from tests.runs.test_report import outcome
from tests.runs.test_scores import drawn

KNEW = {
    "known": True,
    "trained_on": 5,
    "related": 0,
    "chosen_by": 2,
    "made": 3,
    "pretrained": True,
}


def against(run: Store, better: bool) -> dict[str, Any]:
    """An evaluation's outcome, compared with a model that is worse, or the same."""
    labels, probabilities = drawn(0)
    theirs = np.roll(probabilities, 1, axis=1) if better else probabilities
    compared = comparing.compare(labels, probabilities.argmax(axis=1), theirs.argmax(axis=1))
    told = outcome(run, seen=KNEW)
    for name in ("epochs", "best_epoch", "worker_groups", "balanced"):
        del told[name]
    return told | {
        "counts": {"test": told["counts"]["test"]},
        "metrics": told["metrics"] | {"test_unseen": told["metrics"]["test"]},
        "content": "c0ffee",
        "model_sha256": "cd" * 32,
        "drawn": True,
        "against": [
            {
                "name": "old",
                "model": "s3://bucket/old",
                "model_sha256": "ab" * 32,
                "seen": {"known": False, "made": 0},
                "metrics": scores.of_predictions(labels, theirs),
                "compared": "unseen",
                "comparison": compared,
            }
        ],
    }


def evaluation(run: Store, told: dict[str, Any]) -> str:
    record.write_config(run, TrainConfig.model_validate({"data": {"uri": "demo:"}}))
    report.write(run, Shown(told, "test", job="evaluate"))
    return run.read_bytes(layout.REPORT_PAGE).decode()


def test_an_evaluation_says_how_it_compares_and_what_it_knew(local_run: Store) -> None:
    page = evaluation(local_run, against(local_run, better=True))
    sound(page, pictures=2)
    text = words(page)
    assert re.search(
        r"It names \d+\.\d of 100 more than old on 400 faces new to both \(95%: \+", text
    )
    assert "leaky: 5 of 400 faces were trained on" in text
    assert "2 of 400 faces chose its epoch" in text
    assert "3 of 400 faces are made ones" in text
    assert "drawn faces, not photographs" in text
    assert "It began from weights of which is not known" in text
    assert "2 stand in the side that its epoch was chosen by" in text
    assert "The other: What the model was trained on is not known" in text
    assert "the faces that are new to it" in text
    for digest in ("c0ffee", "cd" * 32, "ab" * 32):
        assert digest in text
    assert "How it learned" not in text
    assert "python jobs/evaluate.py --config" in text


def test_an_evaluation_claims_no_difference_that_the_faces_do_not_show(local_run: Store) -> None:
    page = evaluation(local_run, against(local_run, better=False))
    assert "on 400 faces new to both is not shown by these faces (0.0; p 1.000)" in page


def test_a_difference_that_test_and_interval_disagree_on_is_called_none(local_run: Store) -> None:
    labels = np.zeros(100, int)
    ours, theirs = np.zeros(100, int), np.repeat([1, 0], [5, 95])
    told = against(local_run, better=True)
    compared = comparing.compare(labels, ours, theirs)
    assert compared["accuracy"]["interval"][0] > 0
    told["against"][0] |= {"comparison": compared, "compared": "all"}
    page = evaluation(local_run, told)
    assert "more or fewer than old is not shown by these faces (+5.0; p 0.062)" in page
    assert page.count("<td>–</td>") >= 12  # classes without faces have no figures


def test_long_names_do_not_widen_a_phones_page(browser: Browser, local_run: Store) -> None:
    told = against(local_run, better=True)
    twice = told["against"][0] | {"name": "n" * 90, "model": "s3://bucket/" + "m" * 120}
    evaluation(local_run, told | {"against": [twice, twice]})
    shown_whole(browser, Path(local_run.root) / layout.REPORT_PAGE, 390, "light")


def test_a_model_of_unknown_training_says_so(local_run: Store) -> None:
    told = against(local_run, better=True) | {"seen": {"known": False, "made": 0}}
    page = evaluation(local_run, told)
    assert "not known what it was trained on" in page
    assert "leaky" not in page.partition("Settings")[0]
