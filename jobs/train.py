"""Train VGG19 on faces, over the Ray cluster at hand.

    python jobs/train.py                                    # drawn demo faces, this machine
    python jobs/train.py --config honest --data.uri s3://fer/raw --storage.uri s3://fer/runs

Joins the cluster that RAY_ADDRESS names; without one, starts Ray on this machine. The last line
of stdout is the outcome as JSON. Exits with 0 when trained (or already done), 1 when training
failed or was interrupted (the same command with --run NAME resumes it), 2 when a setting is wrong
or the input unusable, 4 when another process is at work on the run.
"""

from fer_ray.config import TrainConfig
from fer_ray.job import Outcome, run


def main(config: TrainConfig) -> Outcome:
    """Train, score and export, or return what an earlier run of the name did."""
    from fer_ray.cluster import training  # only now: Ray and TensorFlow take seconds

    return training.train(config)


if __name__ == "__main__":
    run(main, TrainConfig, about=__doc__)
