"""``python -m tests.runs.picture REPORT/index.html``: README's picture of a report, of drawn faces.

The run is ``python jobs/train.py``; a report of other faces must never be committed.
"""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

PICTURE = Path(__file__).with_name("report.png")
WIDE, TALL = 1120, 1560  # pixels; down to the most confident mistakes


def main() -> None:
    """Have a browser draw the page's beginning."""
    (page,) = sys.argv[1:]
    with sync_playwright() as driver:
        found = shutil.which("chromium") or shutil.which("google-chrome")
        browser = driver.chromium.launch(executable_path=found, args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": WIDE, "height": TALL})
        tab.goto(f"file://{Path(page).resolve()}")
        tab.screenshot(path=PICTURE)
        browser.close()


if __name__ == "__main__":
    main()
