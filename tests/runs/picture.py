"""``python -m tests.runs.picture {report,sweep} PAGE``: README's pictures.

``report`` takes the page of ``python jobs/train.py``, of drawn faces; other faces must never be
committed. ``sweep`` takes a sweep's page, which shows none, and draws its heat map.
"""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

WIDE, TALL = 1120, 1560  # pixels; down to the most confident mistakes


def main() -> None:
    """Have a browser draw a part of the page."""
    kind, page = sys.argv[1:]
    picture = Path(__file__).with_name(f"{kind}.png")
    with sync_playwright() as driver:
        found = shutil.which("chromium") or shutil.which("google-chrome")
        browser = driver.chromium.launch(executable_path=found, args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": WIDE, "height": TALL})
        tab.goto(f"file://{Path(page).resolve()}")
        if kind == "sweep":
            tab.locator("table.heat").screenshot(path=picture)
        else:
            tab.screenshot(path=picture)
        browser.close()


if __name__ == "__main__":
    main()
