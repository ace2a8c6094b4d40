"""fer_ray.network.loading, each time in a process that has loaded nothing yet."""

import os
import platform
import subprocess
import sys

import pytest

from fer_ray.network.loading import ONEDNN

LOADED = "from fer_ray.network.loading import load_keras; load_keras()\n"
SPARED = (
    "import sys; assert not {'sklearn', 'matplotlib', 'matplotlib.pyplot'} & set(sys.modules)\n"
)


@pytest.mark.parametrize(
    "script",
    [
        # what Keras was loaded without is there for whoever wants it after
        LOADED + SPARED + "import keras, tensorflow\n" + SPARED + "import imblearn.over_sampling\n"
        "import matplotlib.figure\n",
        # what was there before is what Keras finds
        "import sklearn\n" + LOADED + "import keras.src.wrappers.fixes as it\n"
        "assert it.sklearn is sklearn\n",
        # a network learns and is saved without them
        LOADED + "import keras, numpy as np\n"
        "model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])\n"
        "model.compile('sgd', 'mse')\n"
        "model.fit(np.ones((4, 3)), np.ones((4, 2)), verbose=0)\n"
        "model.save('model.keras')\n"
        "again = keras.saving.load_model('model.keras')\n"
        "assert np.array_equal(again(np.ones((1, 3))), model(np.ones((1, 3))))\n" + SPARED,
    ],
)
def test_keras_loads_without_what_nobody_here_calls(script: str, tmp_path: object) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", script],
        cwd=str(tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr


def test_what_it_loads_is_not_looked_through_for_garbage_again() -> None:
    tell = (
        "import gc\nloaded = gc.get_freeze_count(), len(gc.get_objects())\n"
        "class Ring: pass\n"
        "import weakref\nring = Ring(); ring.own = ring; gone = weakref.ref(ring); del ring\n"
        "load_keras(); gc.collect()\n"
        "print(*loaded, gc.isenabled(), gone() is None)"
    )
    told = subprocess.run(
        [sys.executable, "-c", LOADED + tell], capture_output=True, text=True, check=True
    )
    frozen, others, on, collected = told.stdout.split()
    assert int(frozen) > 100_000 > 100 * int(others)
    assert (on, collected) == ("True", "True")  # all else is, and a second call keeps nothing


@pytest.mark.skipif(platform.machine() != "x86_64", reason="oneDNN is asked for on x86-64 alone")
@pytest.mark.parametrize(("given", "used"), [(None, True), ("1", True), ("0", False)])
def test_it_computes_with_onednn_unless_the_caller_has_said_otherwise(
    given: str | None, *, used: bool
) -> None:
    """TensorFlow's default depends on the processor; a private name tells what it does."""
    tell = "from tensorflow.python.util._pywrap_util_port import IsMklEnabled as it; print(it())"
    environment = {name: value for name, value in os.environ.items() if name != ONEDNN}
    told = subprocess.run(
        [sys.executable, "-c", LOADED + tell],
        env=environment | ({} if given is None else {ONEDNN: given}),
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.split() == [str(used)]
