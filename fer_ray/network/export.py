"""The network as it leaves training: probabilities instead of logits, in a file of plain Keras."""

from pathlib import Path

import keras
from keras import layers


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

    Raises:
        ValueError: ``model`` gives logits, or the file's name does not end in ``.keras``.
    """
    if model.output_names != ["probabilities"]:
        raise ValueError(
            f"a saved model's output must be probabilities, got {', '.join(model.output_names)}"
        )
    keras.saving.save_model(model, path)
