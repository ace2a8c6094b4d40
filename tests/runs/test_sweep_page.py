"""The sweep's page: what it says, and how a browser shows it."""

import html
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from fer_ray.config import TrainConfig
from fer_ray.runs import layout, record, results, sweep_page, sweep_plots
from fer_ray.runs.storage import Store, store
from tests.runs.looking import printed_pages, shown_whole, sound, words
from tests.runs.sweeps import TUNE, add, eight, outcome


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Store:
    sweep = store(str(tmp_path_factory.mktemp("sweep")))
    eight(sweep)
    sweep_page.write(sweep, outcome(sweep), TUNE, "macro_f1")
    return sweep


@pytest.fixture(scope="module")
def page(folder: Store) -> str:
    return folder.read_bytes(layout.SWEEP_PAGE).decode()


def test_the_result_is_told_in_words(page: str) -> None:
    text = words(page)
    assert "Of 8 trials, the one with optimizer.learning_rate 0.003" in text
    assert "0.100 of validation macro-F1 before the second" in text
    assert "within noise (standard error 0.200)" in text
    assert "65.1%" in text
    assert "of 70 faces, scored once" in text
    assert "2 stopped early" in text
    assert "1 failed" in text


def test_what_a_stranger_wrote_is_shown_not_run(page: str) -> None:
    assert "&lt;script&gt;x&lt;/script&gt;" in page
    assert "<script>x" not in page
    assert "a &lt;b&gt;sweep&lt;/b&gt;" in page
    assert "<b>" not in page


def test_it_is_a_sound_page(page: str) -> None:
    sound(page, pictures=4)


def test_plots_take_the_pages_colours(page: str) -> None:
    assert "var(--accent)" in page
    assert "#01010" not in page


def test_the_same_sweep_gives_the_same_page(folder: Store, page: str) -> None:
    sweep_page.write(folder, outcome(folder), TUNE, "macro_f1")
    assert folder.read_bytes(layout.SWEEP_PAGE).decode() == page


def test_a_sweep_without_a_winner_has_a_page(local_run: Store) -> None:
    eight(local_run)
    told = outcome(local_run) | {"status": "failed"}
    for name in ("winner", "second", "metrics"):
        del told[name]
    sweep_page.write(local_run, told, TUNE, "macro_f1")
    assert b"none won" in local_run.read_bytes(layout.SWEEP_PAGE)


def test_a_sweep_whose_every_trial_failed_has_a_page(local_run: Store) -> None:
    for number, size in enumerate((32, 64, 128)):
        add(local_run, number, {"training.batch_size": size}, [], "failed", error="it diverged")
    record.write_config(local_run, TrainConfig.model_validate({"data": {"uri": "demo:"}}))
    counts = {"done": 0, "stopped": 0, "failed": 3}
    told = outcome(local_run) | {"status": "failed", "trials": counts}
    for name in ("winner", "second", "metrics"):
        del told[name]
    search = {"training.batch_size": {"choice": [32, 64, 128]}}
    sweep_page.write(local_run, told, {"search": search}, "macro_f1")
    text = words(html.unescape(local_run.read_bytes(layout.SWEEP_PAGE).decode()))
    assert "Of 3 trials, none won: no point's trials all ran to their end." in text
    assert "No trial came to a metric." in text


def test_a_setting_may_have_values_of_several_kinds(local_run: Store) -> None:
    values: list[Any] = [None, 5, "none", True, 0.5, None, 5]
    for number, value in enumerate(values):
        point = {"training.ema": value, "balance.target": value}
        add(local_run, number, point, [number / 10])
    record.write_config(local_run, TrainConfig.model_validate({"data": {"uri": "demo:"}}))
    search = {name: {"choice": values[:5]} for name in ("training.ema", "balance.target")}
    told = outcome(local_run) | {"status": "failed"}
    for name in ("winner", "second", "metrics"):
        del told[name]
    sweep_page.write(local_run, told, {"search": search}, "macro_f1")
    assert b"None" in local_run.read_bytes(layout.SWEEP_PAGE)


def test_a_trial_that_failed_proves_nothing(local_run: Store) -> None:
    add(local_run, 0, {"model.width": 0.5}, [0.2])
    add(local_run, 1, {"model.width": 1.0}, [0.9], "failed", error="it diverged")
    plot = sweep_plots.against(
        results.rows(local_run, "macro_f1"), "model.width", "macro-F1", log=False, won=0
    )
    assert plot.caption == "The best trial had model.width 0.5."


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_a_browser_shows_it_whole(browser: Browser, folder: Store, width: int, scheme: Any) -> None:
    shown_whole(browser, Path(folder.root) / layout.SWEEP_PAGE, width, scheme)


def test_it_prints_on_a4(browser: Browser, folder: Store) -> None:
    assert 3 <= printed_pages(browser, Path(folder.root) / layout.SWEEP_PAGE) <= 8
