r"""Find settings by trying them: a sweep over batch size and learning rate, with Ray Tune.

    python jobs/tune.py --config honest --data.uri s3://fer/raw --storage.uri s3://fer/runs
    python jobs/tune.py --tune.searcher grid \
        --tune.search '{training.batch_size: {choice: [32, 64]}}'

Every trial is a run as train.py makes it, on the same faces; the best by the validation metric is
scored on the test side, once, and its settings are sweep/winner.yaml, which train.py takes as
--config. The last line of stdout is the outcome as JSON. The same command with --run NAME goes on
with a sweep that was interrupted. Exits with 0 when done, 1 when it failed or was interrupted, 2
when a setting is wrong, the input unusable or a trial larger than the cluster, 4 when another
process is at work on the sweep.
"""

from fer_ray.job import Outcome, run
from fer_ray.search import SweepConfig


def main(config: SweepConfig) -> Outcome:
    """Sweep, or return what an earlier sweep of the name found."""
    from fer_ray.cluster import sweep  # only now: Ray takes seconds

    return sweep.sweep(config)


if __name__ == "__main__":
    run(main, SweepConfig, about=__doc__)
