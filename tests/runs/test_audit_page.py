"""An audit's page: what it says, and how a browser shows it."""

import io
import json
import re
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from playwright.sync_api import Browser

from fer_ray.faces import audit, demo, sheets
from fer_ray.faces.exhibits import exhibits
from fer_ray.faces.near import Prints, near_pairs
from fer_ray.faces.overlap import pair_rows
from fer_ray.faces.rows import images_of
from fer_ray.inspection import AuditJobConfig
from fer_ray.runs import audit_page, audit_words, layout, record
from fer_ray.runs.storage import Store, store
from tests.faces.test_audit import NO_FACE, people, planted
from tests.runs.looking import printed_pages, shown_whole, sound, words


def write(run: Store, rows: Any, *, deduplicate: bool = False, **changed: Any) -> str:
    """The page of an audit of ``rows``, and beside it its files."""
    record.write_config(run, AuditJobConfig.model_validate({"data": {"uri": "demo:"}}))
    facts, some = audit.facts_of(rows), Prints.of(rows)
    near = near_pairs(some, some, 0.97)
    told = audit.findings(facts, near, deduplicate=deduplicate)
    told["near"]["threshold"] = 0.97
    outcome = {
        "status": "done",
        "run": "an <b>audit</b>",
        "uri": run.uri,
        **told,
        "refused_rows": 12,
        "protocol": "official",
        "deduplicate": deduplicate,
    }
    pairs = pair_rows(facts, near)
    images = map(sheets.data_uri, images_of(rows["image"]))
    pictures = dict(zip(rows["id"].to_pylist(), images, strict=True))
    audit_page.write(run, outcome | changed, pairs, exhibits(facts, pairs), pictures)
    return run.read_bytes(layout.AUDIT_PAGE).decode()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Store:
    run = store(str(tmp_path_factory.mktemp("audit")))
    write(run, planted())
    return run


@pytest.fixture(scope="module")
def page(folder: Store) -> str:
    return folder.read_bytes(layout.AUDIT_PAGE).decode()


def test_the_result_is_told_in_words(page: str) -> None:
    text = words(page)
    assert (
        "Of 10 test faces 3 stand in training: 1 byte for byte, 1 nearly so, 1 mirrored. 1 of 2"
        " groups of equal faces have contradicting labels." in text
    )
    assert "leaky: 3 test faces are in training" in text
    assert "labels contradict in 1 groups" in text
    assert "constant: 1 images" in text
    assert "refused: 12 rows" in text
    assert "2 pairs of near duplicates beyond these, 1 of them mirrored" in text
    assert "1 images are constant: one grey from edge to edge. 1 more are nearly so." in text
    assert "The data has no votes" in text
    assert "where a correlation of 0.97 is asked for" in text
    assert "no duplicate rule is applied" in text


def test_what_the_duplicate_rule_mends_is_told_apart(local_run: Store) -> None:
    text = words(write(local_run, planted(), deduplicate=True))
    assert "Of 10 test faces 3 stand in training" in text
    assert "The duplicate rule takes copies out of training before it begins; 2 of these" in text
    assert "leaky: 2 test faces are in training" in text


def test_sound_data_is_called_so(local_run: Store) -> None:
    images, _ = demo.draw(0, 30, seed=0)
    sides = ["train"] * 20 + ["validation"] * 5 + ["test"] * 5
    votes = [NO_FACE] + [[10] + [0] * 9] * 29
    rows = people(images, [n % 7 for n in range(30)], sides, votes=votes)
    page = write(local_run, rows, refused_rows=0)
    text = words(page)
    assert "None of 5 test faces stands in training, nor nearly so or mirrored." in text
    assert "No two faces are equal." in text
    assert "Of 30 faces that FER+'s annotators saw, 1 are none" in text.replace("&#39;", "'")
    assert "leaky" not in text
    sound(page, pictures=2)


def test_one_side_alone_has_a_page(local_run: Store) -> None:
    images, _ = demo.draw(0, 5, seed=0)
    page = write(local_run, people(images, [0, 1, 2, 3, 4], ["train"] * 5))
    assert "All faces stand on one side." in page
    assert "Drift between the sides" not in page


def test_a_refusal_says_how_many_and_how(folder: Store) -> None:
    told = json.loads(folder.read_bytes(layout.AUDIT_DATA))["outcome"]
    assert audit_words.refusal(told) == (
        "data.uri must hold no test face in training where audit.strict is set, got 3 of 10"
        " (1 byte for byte, 1 nearly so, 1 mirrored)"
    )
    assert ("refused", "leak") in audit_words.badges(told | {"status": "refused"})
    drift = [{"what": "light", "between": ["train", "test"], "sure": True}]
    assert ("drift: light of test", "classes") in audit_words.badges(told | {"drift": drift})


def test_it_is_a_sound_page(page: str) -> None:
    sound(page, pictures=2)
    assert "<b>" not in page
    assert "#01010" not in page


def test_pairs_are_shown_beside_each_other_with_what_they_are(page: str) -> None:
    shown = page.partition("each beside one in training")[2].partition("</ul>")[0]
    assert len(re.findall("<img ", shown)) == 6
    alts = re.findall('alt="([^"]*)"', shown)
    assert alts[:2] == ["A face, test: anger", "A face, train: anger"]
    assert "byte for byte" in shown
    assert re.search(r"mirrored, 0\.9\d\d|mirrored, 1\.000", shown)


def test_the_same_faces_give_the_same_page(folder: Store, page: str) -> None:
    assert write(folder, planted()) == page


def test_programs_find_every_pair_and_what_the_page_says(folder: Store) -> None:
    told = json.loads(folder.read_bytes(layout.AUDIT_DATA))
    assert told["schema_version"] == layout.SCHEMA_VERSION
    assert told["outcome"]["leak"]["faces"] == 3
    assert told["command"].startswith("python jobs/audit.py --config ")
    pairs = pq.read_table(io.BytesIO(folder.read_bytes(layout.AUDIT_PAIRS)))
    assert pairs["kind"].to_pylist() == ["exact", "exact", "mirrored", "near"]
    columns = {f"{end}_{name}" for end in "ab" for name in ("id", "source", "side", "label")}
    assert set(pairs.column_names) == columns | {"kind", "correlation"}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_a_browser_shows_it_whole(browser: Browser, folder: Store, width: int, scheme: Any) -> None:
    shown_whole(browser, Path(folder.root) / layout.AUDIT_PAGE, width, scheme)


def test_it_prints_on_a4(browser: Browser, folder: Store) -> None:
    assert 3 <= printed_pages(browser, Path(folder.root) / layout.AUDIT_PAGE) <= 9
