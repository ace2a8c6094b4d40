"""The network as it leaves training: probabilities instead of logits, in a file of plain Keras."""

import json
import zipfile
from pathlib import Path

import keras
from keras import layers

_METADATA = "metadata.json"  # the one member in which Keras 3.15 writes when it saved
_SAVED = "1980-01-01@00:00:00"  # for ever; the time that zip members have by default


def inference_model(training_model: keras.Model) -> keras.Model:
    """The same network, weights shared, with a softmax on top.

    In: ``(n, 48, 48, 1)``, 0 to 255; out: ``(n, 7)`` float32 probabilities. Training on changes
    both; a network trained in ``mixed_bfloat16`` computes in it here too, so that what was
    validated is what is kept.
    """
    probabilities = layers.Softmax(dtype="float32", name="probabilities")(training_model.output)
    return keras.Model(training_model.input, probabilities, name=training_model.name)


def save(model: keras.Model, path: Path) -> None:
    """Writes an inference model to a ``.keras`` file, which ``keras.saving.load_model`` opens.

    Its bytes follow from the network alone: whoever exports a checkpoint again, as an owner of the
    run that was thought dead may, writes the same file, of the same SHA-256.

    Raises:
        ValueError: ``model`` gives logits, or the file's name does not end in ``.keras``.
    """
    if model.output_names != ["probabilities"]:
        raise ValueError(
            f"a saved model's output must be probabilities, got {', '.join(model.output_names)}"
        )
    keras.saving.save_model(model, path)
    _forget_when(path)


def _forget_when(path: Path) -> None:
    """Write a ``.keras`` file again, without the times at which Keras and zip say it was saved."""
    with zipfile.ZipFile(path) as saved:
        members = [(member, saved.read(member)) for member in saved.infolist()]
    with zipfile.ZipFile(path, "w") as timeless:
        for member, content in members:
            kept = _without_date(content) if member.filename == _METADATA else content
            timeless.writestr(zipfile.ZipInfo(member.filename), kept, member.compress_type)


def _without_date(metadata: bytes) -> bytes:
    """What Keras tells of a saved model, as if it had always been saved at one time."""
    return json.dumps(json.loads(metadata) | {"date_saved": _SAVED}).encode()
