"""What the published protocol is worth: beside it the same network split first, part by part.

    python jobs/benchmark_protocols.py fer2013.csv FOLDER
    python jobs/benchmark_protocols.py fer2013.csv FOLDER --rows as-published split-first --seeds 0

Every row trains one network, of one size and for as many steps, on the faces of FER2013's Training
alone, split by the row's own protocol. Beside the figure that the row gives itself (of its own test
side) stands its figure on the faces of PublicTest that do not stand in Training. Rows and seeds
that are there already under FOLDER are not run again, so the table can be made in parts.
Prints it as Markdown; progress goes to stderr.
"""

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

ROOT = Path(__file__).parents[1]
BATCH = 48  # the paper's
RAW = ["--balance.target", "none", "--balance.generator_below", "0"]
ROWS: dict[str, list[str]] = {
    "as-published": ["--config", "paper"],
    "split-first": ["--config", "honest"],
    "without-smote": ["--config", "honest", "--balance.target", "none"],
    "without-generator": ["--config", "honest", "--balance.generator_below", "0"],
    "without-vertical-flip": ["--config", "honest", "--augment.vertical_flip", "false"],
    "class-weights": ["--config", "honest", *RAW, "--balance.class_weights", "true"],
    "nothing": ["--config", "honest", *RAW],
    "training-as-it-is": ["--config", "honest", *RAW, "--split.deduplicate", "false"],
    "without-publictest": ["--config", "honest", *RAW, "--split.deduplicate", "false"],
}
BASE = "split-first"
GROWN, TARGET = 2_000, 4_000  # a class, by the recipes' generator and by what follows it


@dataclass(frozen=True)
class Scored:
    """A model, by its own test side and before the faces of PublicTest."""

    own: dict[str, float]
    steps: int
    ids: "np.ndarray"  # (n,) str, in order
    labels: "np.ndarray"  # (n,)
    named: "np.ndarray"  # (n,), the label that each face got


def job(name: str, flags: Sequence[str]) -> dict[str, Any]:
    """The outcome of a job, or of an earlier one of that name."""
    command = [sys.executable, str(ROOT / "jobs" / f"{name}.py"), *flags]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    outcome: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return outcome


def parts(source: Path, folder: Path) -> dict[str, Path]:
    """FER2013's Training, PublicTest, and Training without PublicTest's faces, as files."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.csv
    import pyarrow.parquet as pq

    table = pyarrow.csv.read_csv(source) if source.suffix == ".csv" else pq.read_table(source)
    columns = {name.strip().lower(): name for name in table.column_names}
    usage = pc.utf8_trim_whitespace(table[columns["usage"]].cast(pa.string()))
    pixels = table[columns["pixels" if "pixels" in columns else "image"]]
    training, public = pc.equal(usage, "Training"), pc.equal(usage, "PublicTest")
    apart = pc.and_(training, pc.invert(pc.is_in(pixels, pixels.filter(public))))
    paths = {}
    for name, some in {"training": training, "public": public, "apart": apart}.items():
        paths[name] = folder / f"{name}{source.suffix}"
        if not paths[name].exists():
            part = paths[name].with_suffix(".part")
            write = pyarrow.csv.write_csv if source.suffix == ".csv" else pq.write_table
            write(table.filter(some), part)
            part.rename(paths[name])
    return paths


def epoch_faces(counts: dict[str, int], row: str) -> int:
    """Faces that a row's network meets in an epoch, from the counts of its training side."""
    flags = ROWS[row]
    if row == "as-published":  # its training side is balanced already
        return sum(counts.values())
    if "--balance.target" not in flags:
        return TARGET * len(counts)
    generated = "--balance.generator_below" not in flags
    return sum(max(count, GROWN) if generated else count for count in counts.values())


def score(row: str, seed: int, data: dict[str, Path], options: argparse.Namespace) -> Scored:
    """Train a row with a seed, and see PublicTest with the model."""
    import numpy as np
    import pyarrow.parquet as pq

    where = ["--storage.uri", str(options.folder / "runs")]
    uri = data["apart" if row == "without-publictest" else "training"]
    flags = [*ROWS[row], "--data.uri", str(uri), *where]
    faces = epoch_faces(job("prepare", flags)["counts"]["train"], row)
    epochs = max(1, round(options.steps * BATCH / faces))
    name = f"{row}-{seed}"
    settings = {
        "--model.width": options.width,
        "--training.epochs": epochs,
        "--training.batch_size": BATCH,
        "--optimizer.learning_rate": options.rate,
        "--seed": seed,
        "--run": name,
    }
    told = job("train", [*flags, *(str(word) for pair in settings.items() for word in pair)])
    seen = ["--evaluate.side", "all", "--evaluate.model", name, "--run", f"public-{name}"]
    flags = ["--config", "honest", "--data.uri", str(data["public"]), *seen, *where]
    met = pq.read_table(Path(job("evaluate", flags)["uri"]) / "report" / "predictions.parquet")
    ids, labels, named = (met[column].to_numpy() for column in ("id", "label", "predicted"))
    order = np.argsort(ids, kind="stable")
    return Scored(
        own_figures(told["metrics"]["test"]),
        epochs * -(-faces // BATCH),
        ids[order],
        labels[order],
        named[order],
    )


def training_ids(training: Path, folder: Path) -> set[str]:
    """The ids of all faces of Training, duplicates included."""
    import pyarrow.dataset

    flags = [*ROWS["training-as-it-is"], "--data.uri", str(training)]
    made = Path(job("prepare", [*flags, "--storage.uri", str(folder / "runs")])["uri"])
    sides = (pyarrow.dataset.dataset(made / side) for side in ("train", "validation", "test"))
    return {one for side in sides for one in side.to_table(["id"])["id"].to_pylist()}


def own_figures(metrics: dict[str, Any]) -> dict[str, float]:
    """The three figures of the table, of a job's metrics."""
    disgust = metrics["recall_by_class"]["disgust"]
    return {"accuracy": metrics["accuracy"], "macro-F1": metrics["macro_f1"], "disgust": disgust}


def spread(values: "Sequence[float] | np.ndarray") -> str:
    """Mean ± standard deviation over seeds."""
    exact = [float(value) for value in values]
    mean = f"{statistics.fmean(exact):.3f}"
    return mean if len(exact) == 1 else f"{mean} ± {statistics.stdev(exact):.3f}"


def table(scored: dict[str, list[Scored]], new: "np.ndarray") -> list[str]:
    """The table's lines: each row's own figures, those on new faces, its gain over ``BASE``."""
    import numpy as np

    from fer_ray.runs import repeated

    lines = [
        "| row | seeds | steps | own accuracy | own macro-F1 | own disgust recall"
        f" | accuracy on {new.sum()} new faces | macro-F1 | disgust recall"
        f" | accuracy against {BASE} | macro-F1 against it |",
        "|" + "---|" * 11,
    ]
    named = {row: np.stack([one.named[new] for one in models]) for row, models in scored.items()}
    for row, models in scored.items():
        labels = models[0].labels[new]
        cells = [row, str(len(models)), str(models[0].steps)]
        cells += [spread([one.own[name] for one in models]) for name in models[0].own]
        cells += [spread(values) for values in repeated.by_seed(labels, named[row]).values()]
        if BASE in scored and row != BASE:
            gains = repeated.gains(labels, named[row], named[BASE])
            cells += [interval(gains[name]) for name in ("accuracy", "macro_f1")]
        else:
            cells += ["", ""]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def interval(gain: dict[str, Any]) -> str:
    """A difference and its 95% interval."""
    low, high = gain["interval"]
    return f"{gain['difference']:+.3f} ({low:+.3f} to {high:+.3f})"


def copies(row: str, models: Sequence[Scored], new: "np.ndarray") -> str:
    """What the faces of PublicTest that stand in Training add to a row's figure."""
    right = [one.labels == one.named for one in models]
    whole, known, rest = (
        spread([each[some].mean() for each in right]) for some in (new | True, ~new, new)
    )
    return (
        f"{row}: accuracy {whole} on all {len(new)} faces of PublicTest, {known} on the"
        f" {(~new).sum()} that stand in Training, {rest} on the others"
    )


def main() -> None:
    """Run what was asked for, and print the table of all of it."""
    import numpy as np

    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("faces", type=Path, help="fer2013.csv, or Parquet with its columns")
    parser.add_argument("folder", type=Path, help="where the runs are kept")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--width", type=float, default=0.125)
    parser.add_argument("--rate", type=float, default=3e-4, help="the learning rate of every row")
    parser.add_argument("--steps", type=int, default=4_667, help="of every row, in whole epochs")
    options = parser.parse_args()
    options.folder = options.folder.resolve()
    options.folder.mkdir(parents=True, exist_ok=True)
    data = parts(options.faces.resolve(), options.folder)
    scored: dict[str, list[Scored]] = {row: [] for row in options.rows}
    for seed in options.seeds:  # all rows of a seed first: a part of the table is one to look at
        for row in options.rows:
            scored[row].append(score(row, seed, data, options))
    known = training_ids(data["training"], options.folder)
    new = np.array([one not in known for one in scored[options.rows[0]][0].ids])
    lines = [*table(scored, new), ""]
    for row in ("training-as-it-is", "without-publictest"):
        if row in scored:
            lines.append(copies(row, scored[row], new))
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
