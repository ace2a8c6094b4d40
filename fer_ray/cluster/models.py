"""Model files: found by a run's name, a run's folder or their own, and known to be usable."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import ray

from fer_ray.cluster import capacity, inference
from fer_ray.faces.emotions import EMOTIONS
from fer_ray.faces.rows import SIDE
from fer_ray.runs import layout, record, storage, uris
from fer_ray.runs.faults import StorageError

_WANTED = ((None, SIDE, SIDE, 1), (None, len(EMOTIONS)))


@dataclass(frozen=True)
class Place:
    """Where a model's file is."""

    folder: storage.Store
    file: str
    name: str  # for people

    @property
    def uri(self) -> str:
        """Of the file."""
        return uris.join(self.folder.uri, self.file)


def locate(model: str, runs: str, setting: str) -> Place:
    """Where the model is that a setting names; Ray need not be up.

    Args:
        model: the name of a run, a run's folder, or a ``.keras`` file.
        runs: where runs are kept.
        setting: to blame.

    Raises:
        ValueError: there is none.
    """
    path, mark, query = model.partition("?")
    path = path.rstrip("/")
    if path.endswith(".keras"):
        folder, _, file = path.rpartition("/")
        name = folder.rpartition("/")[0].rpartition("/")[2] if file == layout.MODEL_FILE else file
        place = Place(storage.store(folder + mark + query, setting), file, name or file)
    else:
        run = model if "/" in path else uris.join(runs, model)
        folder = uris.join(run, layout.MODEL)
        place = Place(storage.store(folder, setting), layout.MODEL_FILE, path.rpartition("/")[2])
    if not place.folder.exists(place.file):
        raise ValueError(
            f"{setting} must name a run that is finished, its folder or a .keras file, got"
            f" {model!r}: there is no {place.uri.partition('?')[0]}"
        )
    return place


@dataclass(frozen=True)
class Model:
    """A model that can score faces."""

    place: Place
    content: "ray.ObjectRef[bytes]"
    sha256: str

    def facts(self) -> Mapping[str, Any] | None:
        """What its run says of it; none where there is no run of ours, or it means another file."""
        try:
            told = record.read_document(self.place.folder, layout.MODEL_FACTS)
        except StorageError:
            raise
        except ValueError:  # somebody else's file of that name
            return None
        return told if told and told.get("sha256") == self.sha256 else None


def opened(place: Place) -> Model:
    """The model, its file read where there is memory for it.

    Raises:
        ValueError: it is no ``.keras`` file, or of another input or output than ours.
    """
    where = capacity.where_work_is_done()
    content: ray.ObjectRef[bytes] = _read.options(scheduling_strategy=where).remote(place)
    fault, sha256 = ray.get(_looked_at.remote(content))
    if fault:
        raise ValueError(f"{place.folder.setting} must name {fault} in {place.uri}")
    return Model(place, content, sha256)


@ray.remote(num_cpus=0)
def _read(place: Place) -> bytes:
    return place.folder.read_bytes(place.file)


@ray.remote(num_cpus=1)
def _looked_at(content: bytes) -> tuple[str | None, str]:
    """What a model's file must be and is not (nothing of one that can be used), and its SHA-256."""
    return _fault(content), hashlib.sha256(content).hexdigest()


def _fault(content: bytes) -> str | None:
    inference.set_up()
    import keras

    try:
        model = inference.network_of(content)
        shapes = (model.input_shape, model.output_shape)
    except Exception as error:  # noqa: BLE001 Keras raises whatever the file leads it to
        told = (str(error).strip().splitlines() or [""])[0]
        return f"a .keras file that Keras opens, got {type(error).__name__} ({told:.100})"
    if shapes != _WANTED:
        return f"a model of input {_WANTED[0]} and output {_WANTED[1]}, got {shapes}"
    grey = np.full((1, SIDE, SIDE, 1), 128, np.float32)
    given = keras.ops.convert_to_numpy(model(grey, training=False)).astype(np.float64)
    if not (given >= 0).all() or abs(given.sum() - 1) > inference.ROUNDING:
        return f"a model that gives probabilities, got {np.round(given[0], 3).tolist()}"
    return None
