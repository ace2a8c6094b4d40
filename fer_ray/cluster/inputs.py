"""Whether the faces that a run would read can be read, without reading them all."""

from collections.abc import Mapping
from typing import Any

import ray
import ray.exceptions

from fer_ray.cluster import capacity, dataset, prepared, source
from fer_ray.config import TrainConfig
from fer_ray.faces import balance
from fer_ray.faces.emotions import EMOTIONS
from fer_ray.runs import layout
from fer_ray.runs.checks import Check, sentence

ANSWER_S = 30.0  # to list an input, and to read one file of each side
_NAME = "data"
_MEND = "mend data.uri, or the right to read there; jobs/prepare.py tells of every row"


def look(config: TrainConfig) -> tuple[Check, int | None]:
    """Whether ``data.uri`` is readable and whole, and the faces of an epoch, if that is known."""
    where = capacity.where_work_is_done()
    task = _look.options(scheduling_strategy=where).remote(config)
    try:
        told, faces = ray.get(task, timeout=ANSWER_S)
    except ray.exceptions.GetTimeoutError:
        ray.cancel(task, force=True)
        silent = f"data.uri must answer within {ANSWER_S:g} s, got nothing"
        return Check(_NAME, "failed", silent, _MEND), None
    except ray.exceptions.RayError as error:
        return Check(_NAME, "failed", sentence(error), _MEND), None
    return Check(_NAME, "passed", told), faces


@ray.remote(num_cpus=0)
def _look(config: TrainConfig) -> tuple[str, int | None]:
    """What lies at ``data.uri``; where its workers are, whose rights and network count."""
    data = dataset.finished(config)
    if data is None:
        return _of_source(str(config.data.uri)), None
    for side in layout.SIDES:
        files = (one for one in data.manifest["files"] if one["name"].startswith(f"{side}/"))
        if (first := next(files, None)) is not None:
            prepared.read_part(data.uri, data.setting, first)
    sides = ", ".join(f"{sum(data.counts[side].values()):,} {side}" for side in layout.SIDES)
    told = f"a prepared dataset, whole by its manifest ({sides})"
    return told, _epoch(config, data.counts["train"], balanced=data.leaky)


def _of_source(uri: str) -> str:
    if uri == source.DEMO:
        return "drawn faces"
    found = source.find(uri)
    size = sum(file.size for file in found.files) / 1e6
    return f"{len(found.files)} file(s) of {found.kind}, {size:.1f} MB, whose heads can be read"


def _epoch(config: TrainConfig, counts: Mapping[str, int], *, balanced: bool) -> int:
    """The faces of an epoch.

    Raises:
        ValueError: ``balance.*`` does not fit the classes.
    """
    if balanced:
        return sum(counts.values())
    known: dict[int, Any] = {EMOTIONS.index(name): count for name, count in counts.items()}
    return sum(one.after for one in balance.plan(known, config.balance).values())
