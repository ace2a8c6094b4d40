r"""Run a job on a cluster elsewhere, and end as it ends: its outcome, its exit code.

    python jobs/submit.py --submit.address http://head:8265 --submit.working_dir . -- \
        python jobs/train.py --storage.uri s3://bucket/runs --data.uri s3://bucket/faces
    python jobs/submit.py --submit.id retrain-20261125 -- python jobs/train.py --run 20261125

The job's log goes to stderr as it comes; the last line of stdout is the outcome that the job told,
and the exit code is the job's own: 0 to 4 as train.py has them, and 1 where the job was stopped or
lost. A job of the same --submit.id that is there is attached to, not started again. What the words
behind -- are is run by the cluster's shell, in the image's folder or in --submit.working_dir.
"""

from fer_ray.job import Outcome, run
from fer_ray.submission import SubmitConfig


def main(config: SubmitConfig) -> Outcome:
    """Submit, or attach, and wait."""
    from fer_ray.cluster import submitting  # only now: Ray takes seconds

    return submitting.submit(config)


if __name__ == "__main__":
    run(main, SubmitConfig, about=__doc__, command="submit.command")
