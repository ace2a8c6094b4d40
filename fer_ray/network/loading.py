"""Loads Keras, and the TensorFlow under it, without what it would load for nobody here.

Keras 3.15 imports matplotlib for its picture galleries and scikit-learn for its wrappers: 1.3 of
the 3.6 s that it takes, TensorFlow included, and 85 MB of 760. Each works without.
"""

import importlib
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

SPARED = ("matplotlib", "sklearn")


def load_keras() -> None:
    """Import Keras, so that what imports it or TensorFlow after finds it there, if it was not."""
    with _not_found(SPARED):
        importlib.import_module("keras")


@contextmanager
def _not_found(names: Sequence[str]) -> Iterator[None]:
    """Let imports of the packages fail within the block that have not been imported before."""
    absent = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(absent))  # type: ignore[arg-type]  # None: Python's own sign
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]
