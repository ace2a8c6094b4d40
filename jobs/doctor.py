"""Look at a run's folder: what is in it, what is damaged, and what a resume would use.

    python jobs/doctor.py --run NAME
    python jobs/doctor.py --storage.uri s3://bucket/runs --run NAME

Reads every byte of its checkpoints, changes nothing, and needs no cluster. The table goes to
stderr; the last line of stdout is the outcome as JSON, with `resume_step` (none: a resume would
begin anew, or the run is finished), `damaged` and `left_over`. Exits with 0 when nothing is
damaged, 1 when looking failed, 2 when there is no such run, 3 when something is damaged.
"""

import sys

from fer_ray.inspection import DoctorConfig
from fer_ray.job import Outcome, run


def main(config: DoctorConfig) -> Outcome:
    """Examine the run and print what was found."""
    from fer_ray.runs import doctor, findings, storage, uris  # only now: the storage's libraries

    folder = storage.store(uris.join(config.storage.uri, str(config.run)))
    found = doctor.examine(folder)
    sys.stderr.write(findings.table(found))
    damaged = [{"key": one.key, "reason": one.told} for one in found.damaged]
    return Outcome(
        status="refused" if damaged else "done",
        run=config.run,
        uri=folder.uri,
        error=f"{len(damaged)} damaged or missing; {found.prospect}" if damaged else None,
        finished=found.finished,
        resume_step=found.resume_step,
        damaged=damaged,
        left_over=[one.key for one in found.left_over],
    )


if __name__ == "__main__":
    run(main, DoctorConfig, about=__doc__)
