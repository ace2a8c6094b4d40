"""What a checkpoint's weights and states are, to be compared bit for bit."""

import json

from fer_ray.runs import layout
from fer_ray.runs.storage import Store


def digests(run: Store, step: int) -> dict[str, str]:
    """The SHA-256 of each file of one checkpoint, as its manifest promises them."""
    key = f"{layout.checkpoint_folder(step)}/{layout.MANIFEST}"
    manifest = json.loads(run.read_bytes(key))
    return {name: file["sha256"] for name, file in manifest["files"].items()}
