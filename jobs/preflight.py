"""Try what a run needs before it is begun, and say of each thing that is wrong what mends it.

    python jobs/preflight.py --data.uri s3://fer/faces --storage.uri s3://fer/runs
    python jobs/preflight.py --config best --config settings.yaml --preflight.rehearse true
    python jobs/preflight.py --config settings.yaml --cluster.use_gpu true --preflight.gpu true

Takes the run's own settings. First, within a minute and without a worker: whether every node finds
the places that are named, answers, has the same software and reaches the others; what may be done
in storage.uri, and whether its conditional writes decide between two jobs; whether the data is
readable and whole; whether the workers fit the cluster or what its autoscaler may bring. Then,
where asked: a GPU that computes, and a rehearsal with the run's workers and batch size on drawn
faces, whose resume must come to the same bits; from it the run's time and price are told. Leaves
nothing behind. The table goes to stderr; the last line of stdout is the outcome as JSON, with
`checks` and `estimate`. Exits with 0 when nothing failed, 1 when looking failed, 2 when a setting
is wrong, 3 when a check failed.
"""

import sys

from fer_ray.job import Outcome, run
from fer_ray.preflight import PreflightConfig


def main(config: PreflightConfig) -> Outcome:
    """Try everything and print what was found."""
    from fer_ray.cluster import checking  # only now: Ray takes seconds
    from fer_ray.runs import checks

    found = checking.examine(config)
    sys.stderr.write(checks.table(found.checks))
    wrong = checks.failed(found.checks)
    return Outcome(
        status="refused" if wrong else "done",
        uri=config.storage.uri,
        error=f"{len(wrong)} of {len(found.checks)} failed: {', '.join(wrong)}" if wrong else None,
        checks=[vars(one) for one in found.checks],
        estimate=vars(found.estimate) if found.estimate else None,
    )


if __name__ == "__main__":
    run(main, PreflightConfig, about=__doc__)
