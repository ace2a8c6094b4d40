"""The streams of Ray Data that a process runs, as tests count them."""

import threading


def streams_going() -> int:
    """How many this process runs: each has a thread that schedules it."""
    return sum(thread.name.startswith("StreamingExecutor") for thread in threading.enumerate())
