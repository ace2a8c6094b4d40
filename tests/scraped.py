"""What Prometheus sees of a Ray node, asked again and again."""

import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client.parser import text_string_to_metric_families

Figures = dict[tuple[str, str], float]  # by metric and run

EVERY_S = 1.0


def figures(port: int) -> Figures:
    """The runs' figures that a node of this machine shows now."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
        text = answer.read().decode()
    return {
        (sample.name, sample.labels["run"]): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name.startswith("ray_fer_ray_")
    }


@contextmanager
def scraping(port: int) -> Iterator[list[Figures]]:
    """What was seen, look by look, while the block lasts."""
    seen: list[Figures] = []
    done = threading.Event()

    def look() -> None:
        while not done.wait(EVERY_S):
            seen.append(figures(port))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        done.set()
        thread.join()
