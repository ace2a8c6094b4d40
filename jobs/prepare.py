"""Prepare a dataset: read faces, split them, drop duplicates, and write Parquet and a manifest.

    python jobs/prepare.py --data.uri fer2013.csv --split.protocol official
    python jobs/prepare.py --data.uri s3://fer/raw --storage.uri s3://fer/runs

Joins the cluster that RAY_ADDRESS names; without one, starts Ray on this machine. The dataset is
kept under storage.uri, in datasets/; running it again on the same input returns it at once. The
last line of stdout is the outcome as JSON. Exits with 0 when prepared (or already done), 1 when
that failed or was interrupted, 2 when a setting is wrong or the input unusable.
"""

from fer_ray.config import PrepareConfig
from fer_ray.job import Outcome, run


def main(config: PrepareConfig) -> Outcome:
    """Prepare the dataset, or find that it is there."""
    from fer_ray.cluster import dataset, session  # only now: Ray takes seconds

    places = {"data.uri": config.data.uri, "storage.uri": config.storage.uri}
    session.check_kept(places)
    prepared = None if session.joins() else dataset.finished(config)
    if prepared is None:
        with session.session(config.verbose):
            session.check_shared(places)
            prepared = dataset.prepare(config)
    return Outcome(
        status="already_done" if prepared.already_done else "done",
        uri=prepared.uri,
        **prepared.facts(),
    )


if __name__ == "__main__":
    run(main, PrepareConfig, about=__doc__)
