"""fer_ray.cluster.everyone: the faces of any input, and what is told of its other rows."""

from pathlib import Path

import numpy as np
import pytest

from fer_ray.cluster import dataset, everyone
from fer_ray.faces import demo
from fer_ray.inspection import AuditJobConfig
from tests.parquet_faces import write_faces

pytestmark = pytest.mark.usefixtures("ray_cluster")

COUNT = 210
IMAGES, _ = demo.draw(0, COUNT, seed=0)
LABELS = [number % 7 for number in range(COUNT)]


def faces(folder: Path, *, bad: int = 0, name: str = "faces") -> str:
    """Drawn faces, the labels of so many of which are none."""
    return write_faces(folder / f"{name}.parquet", IMAGES, [*LABELS[: COUNT - bad], *[9] * bad])


def config(uri: str, storage: Path) -> AuditJobConfig:
    return AuditJobConfig.model_validate(
        {"data": {"uri": uri}, "storage": {"uri": str(storage)}, "run": "it"}
    )


def test_refused_rows_are_counted_whatever_the_faces_stand_in(tmp_path: Path) -> None:
    raw = faces(tmp_path, bad=2)
    wanted = config(raw, tmp_path)
    found = everyone.everyone(wanted)
    assert found.refused == 2
    rest, told = everyone.unsplit(wanted)
    assert (rest.count, told["refused_rows"]) == (COUNT - 2, 2)
    made = dataset.prepare(wanted)
    assert everyone.everyone(config(made.uri, tmp_path)).refused == 2


def test_too_many_refused_rows_end_it(tmp_path: Path) -> None:
    wanted = config(faces(tmp_path, bad=3), tmp_path)  # of 210, where one of a hundred may be
    for look in (everyone.everyone, everyone.unsplit):
        with pytest.raises(ValueError, match=r"data\.max_refused"):
            look(wanted)


def test_content_tells_one_label_and_not_the_order(tmp_path: Path) -> None:
    order = np.random.default_rng(0).permutation(COUNT)
    shuffled = write_faces(
        tmp_path / "shuffled.parquet", IMAGES[order], [LABELS[number] for number in order]
    )
    relabelled = write_faces(tmp_path / "other.parquet", IMAGES, [LABELS[1], *LABELS[1:]])
    first, again, other = (
        everyone.unsplit(config(uri, tmp_path))[1]["content"]
        for uri in (faces(tmp_path), shuffled, relabelled)
    )
    assert first == again
    assert first != other
