"""The sweep's page: what it says, and how a browser shows it."""

import os
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

from fer_ray.config import TrainConfig
from fer_ray.runs import layout, record, results, sweep_page, sweep_plots
from fer_ray.runs.storage import Store, store
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


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        assert "CI" not in os.environ, "CI must have chromium"
        pytest.skip("a browser is needed: apt-get install chromium")
    with sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield started
        started.close()


class Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append((tag, dict(attrs)))


def test_the_result_is_told_in_words(page: str) -> None:
    text = re.sub(r"\s+", " ", re.sub("<[^>]*>", " ", page))
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


def test_nothing_is_fetched_from_elsewhere(page: str) -> None:
    tags = Tags(page).tags
    assert not [tag for tag, _ in tags if tag in ("link", "img", "iframe", "object", "embed")]
    assert not [1 for tag, given in tags if tag == "script" and "src" in given]
    targets = [given[name] for _, given in tags for name in ("href", "xlink:href") if name in given]
    assert targets
    assert all(target and target.startswith("#") for target in targets)
    assert len(page) < 3_000_000


def test_ids_are_unique_and_every_link_has_its_target(page: str) -> None:
    tags = Tags(page).tags
    ids = Counter(given["id"] for _, given in tags if "id" in given)
    assert [name for name, count in ids.items() if count > 1] == []
    links = {given["href"] for tag, given in tags if tag == "a"}
    assert {link.removeprefix("#") for link in links if link} <= set(ids)


def test_it_reads_aloud(page: str) -> None:
    tags = Tags(page).tags
    assert sum(tag == "h1" for tag, _ in tags) == 1
    pictures = [given for tag, given in tags if tag == "svg"]
    assert len(pictures) == 4
    assert all(given["role"] == "img" and given["aria-label"] for given in pictures)
    assert all("scope" in given for tag, given in tags if tag == "th")
    assert {"html", "main", "nav", "header"} <= {tag for tag, _ in tags}


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
    context = browser.new_context(
        viewport={"width": width, "height": 800}, color_scheme=scheme, offline=True
    )
    said: list[str] = []
    tab = context.new_page()
    tab.on("console", lambda message: said.append(message.text))
    tab.on("pageerror", lambda error: said.append(str(error)))
    tab.goto(f"file://{Path(folder.root) / layout.SWEEP_PAGE}")
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    sizes = tab.evaluate("[...document.querySelectorAll('svg')].map(s => s.clientWidth)")
    assert all(200 < size <= width for size in sizes)
    verdict = tab.locator(".verdict").bounding_box()
    assert verdict is not None
    assert verdict["y"] + verdict["height"] < 800  # in the first screen
    colour = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    assert colour == {"light": "rgb(252, 252, 250)", "dark": "rgb(20, 21, 23)"}[scheme]
    assert said == []
    context.close()


def test_it_prints_on_a4(browser: Browser, folder: Store) -> None:
    tab = browser.new_page()
    tab.goto(f"file://{Path(folder.root) / layout.SWEEP_PAGE}")
    printed = tab.pdf(prefer_css_page_size=True)
    boxes = re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", printed)
    assert 3 <= len(boxes) <= 8
    assert all((round(float(w)), round(float(h))) == (595, 842) for w, h in boxes)
