"""Audit faces before anything is trained on them: copies, labels that contradict, what is no face.

    python jobs/audit.py --data.uri fer2013.csv --split.protocol official --split.deduplicate false
    python jobs/audit.py --data.uri s3://fer/raw --storage.uri s3://fer/runs --audit.strict

Looks at every face of the input as it stands, on the side that the split gives it; a dataset that
jobs/prepare.py made keeps its own sides. Leaves a run folder with audit/index.html to look at,
audit/audit.json, and audit/pairs.parquet with every pair that was found. The last line of stdout
is the outcome as JSON. Exits with 0 when done (or already done), 1 when that failed or was
interrupted, 2 when a setting is wrong or the input unusable, 3 with --audit.strict when test faces
stand in training, 4 when another process is at work on the run.
"""

from fer_ray.inspection import AuditJobConfig
from fer_ray.job import Outcome, run


def main(config: AuditJobConfig) -> Outcome:
    """Look at all faces, compare them, and tell, or return what an audit of the name found."""
    from fer_ray.cluster import auditing  # only now: Ray takes seconds

    return auditing.audit(config)


if __name__ == "__main__":
    run(main, AuditJobConfig, about=__doc__)
