"""Loads Keras, and the TensorFlow under it, without what it would load for nobody here.

Keras 3.15 imports matplotlib for its picture galleries and scikit-learn for its wrappers: 1.3 of
the 3.6 s that it takes, TensorFlow included, and 85 MB of 760. Each works without.

Its objects, hundreds of thousands, stay as long as the process: looking for garbage among them,
while they are made and after, is a second of CPU time to each process that computes. Cycles that
other threads make meanwhile stay with them.

TensorFlow computes with oneDNN by default on processors with AVX-512 VNNI or newer alone; on one
with AVX2 a step of training is 1.5 to 1.7 times as fast with it. It looks once, at its import.
"""

import gc
import importlib
import os
import platform
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

SPARED = ("matplotlib", "sklearn")
ONEDNN = "TF_ENABLE_ONEDNN_OPTS"  # a variable of TensorFlow's environment


def load_keras() -> None:
    """Import Keras, so that what imports it or TensorFlow after finds it there, if it was not.

    Every process that computes here begins with it: figures are alike to the bit on a machine
    only if all of its processes compute with oneDNN, or none.
    """
    if "keras" in sys.modules:
        return
    ask_for_onednn()
    with _not_found(SPARED), _kept():
        importlib.import_module("keras")


def ask_for_onednn() -> None:
    """Let TensorFlow compute with oneDNN on x86-64, where the caller has not set ``ONEDNN``."""
    if platform.machine() == "x86_64":
        os.environ.setdefault(ONEDNN, "1")


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


@contextmanager
def _kept() -> Iterator[None]:
    """Look for no garbage within the block, nor ever among what is there at its end."""
    was_on = gc.isenabled()
    gc.collect()  # so that nothing is kept that an earlier task left
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        if was_on:
            gc.enable()
