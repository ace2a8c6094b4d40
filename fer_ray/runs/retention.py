"""Which checkpoints stay: the rule by which older ones, and what a killed upload left, go."""

from fer_ray.runs.checkpoint import Needs, delete, nothing, survey
from fer_ray.runs.storage import Store


def keep(run: Store, newest: int, always: int | None = None, needs: Needs = nothing) -> list[int]:
    """Deletes what is older than the ``newest`` complete checkpoints, if none that stays needs it.

    Uploads that broke off go too, once a newer checkpoint is complete; before that they may be
    somebody's, under way. Damaged checkpoints stay, to be looked at. Returns the deleted steps.

    Args:
        run: the run's folder.
        newest: how many stay.
        always: the step of one that stays whatever its age: a run that went back has newer ones.
        needs: as for ``checkpoint.newest``.
    """
    seen = survey(run)
    whole = [one.step for one in seen if one.state == "complete"]
    stay = {*whole[:newest]} | ({always} if always is not None else set())
    stay |= {step for one in seen if one.step in stay and one.about for step in needs(one.about)}
    broken_off = [
        one.step for one in seen if one.state == "incomplete" and one.step < max(whole, default=0)
    ]
    doomed = [step for step in whole + broken_off if step not in stay]
    for step in doomed:
        delete(run, step)
    return doomed
