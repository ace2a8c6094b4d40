"""The training steps of a job against Keras' own ``train_on_batch``, in turns of seconds.

    python jobs/benchmark_training.py --width 0.25 --steps 100 --turns 15
    python jobs/benchmark_training.py --width 1 --steps 20 --turns 15

After each epoch of the job all its processes, Ray's too, are stopped while the bare loop takes its
turn: a machine that is slower in one minute than in the next slows both. Prints one line of JSON.
Run it on a machine that does nothing else.

The bare loop computes with oneDNN, as the job does. With ``--untouched`` it does what TensorFlow
does by itself, which on a processor without AVX-512 VNNI is to compute without.
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
BATCH_SIZE = 48
BARE_SHARE = 3  # the bare loop takes one step of so many of the job


def compare(width: float, steps: int, turns: int, *, untouched: bool = False) -> dict[str, Any]:
    """Images per second of both, and their ratio in each turn.

    The job is the whole one (Ray Data, augmentation, one worker, validation, checkpoints); its
    figure is that of an epoch's steps and of what they wait for before the first, validation
    apart. The bare loop has the same network and optimizer, and its batches in memory. A turn is
    an epoch of the job, beside the mean of the bare loop's before and after it.

    Args:
        width: of VGG19 with batch normalisation.
        steps: of the job in a turn, about.
        turns: that count, two or more; the epoch before them compiles.
        untouched: whether the bare loop has TensorFlow's own choice of oneDNN.
    """
    from fer_ray.network.loading import ask_for_onednn
    from fer_ray.runs import layout

    if not untouched:
        ask_for_onednn()  # for both, which inherit it; the job asks in any case
    with tempfile.TemporaryDirectory() as folder, _bare_loop(width, steps // BARE_SHARE) as bare:
        run = Path(folder) / "timed"
        epochs, stops, rates = [], [], []
        with _job(width, steps, turns + 1, folder) as job:
            for epoch in range(1, turns + 2):
                epochs.append(_metrics(run / layout.epoch_metrics(epoch), job))
                if epoch <= turns:
                    began = time.monotonic()
                    with stopped(job.pid):
                        rates.append(_turn(bare))
                    stops.append(time.monotonic() - began)
        rates.append(_turn(bare))
    return _told(width, epochs, stops, rates)


def _told(
    width: float, epochs: list[dict[str, float]], stops: list[float], bare: list[float]
) -> dict[str, Any]:
    """What is printed: medians, quartiles of the turns' ratios, and the turns.

    ``epochs`` begin with the one that compiles, which no turn is of.
    """
    job = [
        _rate(BATCH_SIZE * (epoch["step"] - before["step"]), epoch["images_per_s"], stop)
        for (before, epoch), stop in zip(pairwise(epochs), stops, strict=True)
    ]
    beside = [(before + after) / 2 for before, after in pairwise(bare)]
    ratios = [mine / theirs for mine, theirs in zip(job, beside, strict=True)]
    first, median, third = statistics.quantiles(ratios, n=4, method="inclusive")
    return {
        "width": width,
        "ratio": round(median, 3),
        "quartiles": [round(first, 3), round(third, 3)],
        "job_images_per_s": round(statistics.median(job), 1),
        "train_on_batch_images_per_s": round(statistics.median(bare), 1),
        "job_turns": [round(rate) for rate in job],
        "train_on_batch_turns": [round(rate) for rate in bare],
    }


def _rate(faces: float, images_per_s: float, stopped_s: float) -> float:
    """Images per second of an epoch whose clock went on while it was stopped."""
    return faces / (faces / images_per_s - stopped_s)


@contextmanager
def _job(width: float, steps: int, epochs: int, folder: str) -> Iterator[subprocess.Popen[bytes]]:
    """``jobs/train.py`` with so many epochs; interrupted if the block ends before it."""
    faces = max(350, steps * BATCH_SIZE * 10 // 8)
    flags = f"""
        --config demo --balance.target none --data.demo_faces {faces} --model.width {width}
        --optimizer.weight_decay 0 --training.batch_size {BATCH_SIZE} --training.epochs {epochs}
        --storage.uri {folder} --run timed
    """.split()
    command = [sys.executable, str(ROOT / "jobs" / "train.py"), *flags]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as job:
        try:
            yield job
        finally:
            if job.poll() is None:
                job.send_signal(signal.SIGINT)


def _metrics(file: Path, job: subprocess.Popen[bytes]) -> dict[str, Any]:
    """An epoch's metrics, as soon as the job has written them."""
    while not file.exists():
        if job.poll() is not None:
            raise RuntimeError(f"the job must write {file.name}, ended with {job.returncode}")
        time.sleep(0.01)
    epoch: dict[str, Any] = json.loads(file.read_bytes())
    return epoch


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """A process and all that it started stand still in the block."""
    held: list[int] = []
    try:
        while fresh := [each for each in _family(pid) if each not in held]:
            for each in fresh:  # what one of these has started meanwhile is fresh in the next round
                held.append(each)
                with suppress(ProcessLookupError):  # it ended meanwhile
                    os.kill(each, signal.SIGSTOP)
        yield
    finally:
        for each in held:
            with suppress(ProcessLookupError):
                os.kill(each, signal.SIGCONT)


def _family(pid: int) -> list[int]:
    """``pid`` and its descendants, by /proc."""
    children: dict[int, list[int]] = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            status = (process / "stat").read_text()
        except (FileNotFoundError, ProcessLookupError):  # it ended meanwhile
            continue
        parent = int(status.rpartition(")")[2].split()[1])
        children.setdefault(parent, []).append(int(process.name))
    found = [pid]
    for each in found:  # grows while it is walked
        found += children.get(each, [])
    return found


@contextmanager
def _bare_loop(width: float, steps: int) -> Iterator[subprocess.Popen[str]]:
    """A process that waits to be asked for turns of so many steps; it has compiled."""
    command = [sys.executable, __file__, "--bare", "--width", str(width), "--steps", str(steps)]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
    ) as process:
        _turn(process)
        yield process
        assert process.stdin is not None
        process.stdin.close()


def _turn(bare: subprocess.Popen[str]) -> float:
    """Images per second of a turn of the bare loop, which is over then."""
    assert bare.stdin is not None
    assert bare.stdout is not None
    bare.stdin.write("\n")
    bare.stdin.flush()
    return float(bare.stdout.readline())


def train_on_batch(width: float, steps: int) -> None:
    """Print the images per second of a turn of Keras' own loop for each line of stdin."""
    import keras

    from fer_ray.config import ModelConfig
    from fer_ray.faces import demo
    from fer_ray.network import vgg19

    model = vgg19.build(ModelConfig(width=width, dropout=0.2), 128, 64)
    model.compile(
        keras.optimizers.SGD(0.01, momentum=0.9, nesterov=True),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    images, labels = demo.draw(0, BATCH_SIZE * 8, seed=0)
    batches = [
        (images[i : i + BATCH_SIZE, ..., None].astype("float32"), labels[i : i + BATCH_SIZE])
        for i in range(0, len(images), BATCH_SIZE)
    ]
    for batch in batches[:3]:
        model.train_on_batch(*batch)
    for _ in sys.stdin:
        began = time.perf_counter()
        for step in range(steps):
            model.train_on_batch(*batches[step % len(batches)])
        rate = BATCH_SIZE * steps / (time.perf_counter() - began)
        sys.stdout.write(f"{rate}\n")
        sys.stdout.flush()


def main() -> None:
    """Measure what argv says and print it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--width", type=float, default=0.25)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--turns", type=int, default=15)
    parser.add_argument("--untouched", action="store_true")
    parser.add_argument("--bare", action="store_true", help=argparse.SUPPRESS)
    given = vars(parser.parse_args())
    if given.pop("bare"):
        train_on_batch(given["width"], given["steps"])
    else:
        sys.stdout.write(json.dumps(compare(**given)) + "\n")


if __name__ == "__main__":
    main()
