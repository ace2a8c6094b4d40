"""What every page must be, whoever looks at it: a person, a screen reader, a printer."""

import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser


class Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append((tag, dict(attrs)))


def words(page: str) -> str:
    """A page's text, blanks folded."""
    return re.sub(r"\s+", " ", re.sub("<[^>]*>", " ", page))


def sound(page: str, pictures: int) -> None:
    """Fail unless a page of so many plots is whole in itself and reads aloud."""
    tags = Tags(page).tags
    assert not [tag for tag, _ in tags if tag in ("link", "iframe", "object", "embed")]
    assert not [1 for tag, given in tags if tag == "script" and "src" in given]
    targets = [given[name] for _, given in tags for name in ("href", "xlink:href") if name in given]
    assert targets
    assert all(target and target.startswith("#") for target in targets)
    sources = [given["src"] for tag, given in tags if tag == "img"]
    assert all(source and source.startswith("data:image/png;base64,") for source in sources)
    assert all(given["alt"] for tag, given in tags if tag == "img")
    assert len(page) < 3_000_000
    ids = Counter(given["id"] for _, given in tags if "id" in given)
    assert [name for name, count in ids.items() if count > 1] == []
    links = {given["href"] for tag, given in tags if tag == "a"}
    assert {link.removeprefix("#") for link in links if link} <= set(ids)
    assert sum(tag == "h1" for tag, _ in tags) == 1
    plots = [given for tag, given in tags if tag == "svg"]
    assert len(plots) == pictures
    assert all(given["role"] == "img" and given["aria-label"] for given in plots)
    assert all("scope" in given for tag, given in tags if tag == "th")
    assert {"html", "main", "nav", "header"} <= {tag for tag, _ in tags}


def shown_whole(browser: Browser, path: Path, width: int, scheme: Any) -> None:
    """Fail unless a browser of that width shows a page well, without a word and without scrolling.

    axe looks at contrast, names and landmarks.
    """
    context = browser.new_context(
        viewport={"width": width, "height": 800}, color_scheme=scheme, offline=True
    )
    said: list[str] = []
    tab = context.new_page()
    tab.on("console", lambda message: said.append(message.text))
    tab.on("pageerror", lambda error: said.append(str(error)))
    tab.goto(f"file://{path}")
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    sizes = tab.evaluate("[...document.querySelectorAll('svg')].map(s => s.clientWidth)")
    assert all(200 < size <= width for size in sizes)
    decoded = tab.evaluate("[...document.images].map(i => i.complete && i.naturalWidth)")
    assert all(wide == 48 for wide in decoded)
    verdict = tab.locator(".verdict").bounding_box()
    assert verdict is not None
    assert verdict["y"] + verdict["height"] < 800  # in the first screen
    colour = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    assert colour == {"light": "rgb(252, 252, 250)", "dark": "rgb(20, 21, 23)"}[scheme]
    faults = Axe().run(tab).response["violations"]
    told = [(one["id"], one["nodes"][0]["html"]) for one in faults]
    assert told == [], told
    assert said == []
    context.close()


def printed_pages(browser: Browser, path: Path) -> int:
    """How many sheets of A4 a page prints on; fails where it is other paper."""
    tab = browser.new_page()
    tab.goto(f"file://{path}")
    printed = tab.pdf(prefer_css_page_size=True)
    boxes = re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", printed)
    assert all((round(float(w)), round(float(h))) == (595, 842) for w, h in boxes)
    return len(boxes)
