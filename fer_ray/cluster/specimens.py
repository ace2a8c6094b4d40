"""Faces that show what training made of faces: augmented on the fly, generated, and by SMOTE."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import ray

from fer_ray.cluster.lookup import by_id
from fer_ray.cluster.stream import Faces, Plan
from fer_ray.config import AugmentConfig
from fer_ray.faces import augment, order, sheets
from fer_ray.faces.emotions import EMOTIONS

SHOWN = 8  # rows of a sheet
TIMES = 3  # how often a face is shown augmented
_OF_A_CLASS = 4  # made faces of a block that may be shown: some lack a parent by now

_MADE = {  # origin: title of its sheet, its columns
    "generator": ("What the image generator made before training", ("original", "generated")),
    "smote": ("What SMOTE made", ("one parent", "the other", "SMOTE's blend")),
}


def sheets_of(faces: Faces, plan: Plan) -> list[dict[str, Any]]:
    """Sheets for a page: ``title``, ``columns``, ``rows`` of a ``label`` and the ``src`` of faces.

    Of what is trained on as it is there is none.
    """
    found = [_made(faces, origin) for origin in _MADE]
    return [sheet for sheet in (*found, _augmented(faces, plan)) if sheet]


def _augmented(faces: Faces, plan: Plan) -> dict[str, Any] | None:
    """Faces of the first epoch, each changed in ways that are drawn as training draws them."""
    settings = plan.augment.model_copy(update={"mixup": 0.0})  # of which one face shows nothing
    changes = settings.on_the_fly and settings != AugmentConfig()
    if not changes:
        return None
    positions = np.arange(min(SHOWN, faces.count))
    numbers = order.numbers_at(positions, faces.count, plan.window, plan.seed)
    images, labels = faces.take(numbers)
    columns = [images] + [
        augment.augment(
            images,
            augment.uniforms(plan.seed, positions + time * faces.count, augment.DRAWS),
            settings,
        )
        for time in range(TIMES)
    ]
    return {
        "title": "What augmentation makes of a face, anew in each epoch",
        "columns": ["original", *["augmented"] * TIMES],
        "rows": [
            {
                "label": EMOTIONS[label],
                "faces": [sheets.data_uri(column[row]) for column in columns],
            }
            for row, label in enumerate(labels.tolist())
        ],
    }


def _made(faces: Faces, origin: str) -> dict[str, Any] | None:
    """Faces of one origin beside the ones that each was made from."""
    title, columns = _MADE[origin]
    some = ray.get([_of_origin.remote(block, origin) for block in faces.blocks])
    candidates = [
        row
        for row in _by_turns(pa.concat_tables(some))
        if len(row["parents"] or ()) == len(columns) - 1  # a stranger's may have others
    ]
    wanted = {parent for row in candidates for parent in row["parents"]}
    known = by_id(faces.blocks, wanted)
    whole = [row for row in candidates if all(parent in known for parent in row["parents"])]
    if not whole:
        return None
    return {
        "title": title,
        "columns": list(columns),
        "rows": [
            {
                "label": EMOTIONS[row["label"]],
                "faces": [
                    *(sheets.data_uri(known[parent]) for parent in row["parents"]),
                    sheets.data_uri(np.frombuffer(row["image"], np.uint8).reshape(48, 48)),
                ],
            }
            for row in whole[:SHOWN]
        ],
    }


def _by_turns(rows: pa.Table) -> list[dict[str, Any]]:
    """Rows, one of each class in turn, so that the first few show as many classes as there are."""
    turns: dict[int, int] = {}
    placed = []
    for row in rows.to_pylist():
        turn = turns[row["label"]] = turns.get(row["label"], -1) + 1
        placed.append((turn, row["label"], row))
    return [row for _, _, row in sorted(placed, key=lambda one: one[:2])]


@ray.remote
def _of_origin(block: pa.Table, origin: str) -> pa.Table:
    """A few faces of one origin and of each class."""
    rows = block.filter(pc.equal(block["origin"], origin)).select(["label", "parents", "image"])
    parts = [
        rows.filter(pc.equal(rows["label"], pa.scalar(label, pa.int8()))).slice(0, _OF_A_CLASS)
        for label in range(len(EMOTIONS))
    ]
    return pa.concat_tables(parts)
