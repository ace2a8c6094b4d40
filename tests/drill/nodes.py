"""Faults of machines: a node or the whole cluster killed, a node preempted."""

from tests.drill.place import Place
from tests.drill.rows import STRUCK, Reference, Row, again, row, same
from tests.drill.runs import EVERY, wait_for


def killed_cluster(place: Place, reference: Reference) -> Row:
    """SIGKILL to every process of the cluster and to the driver, and a new cluster."""
    run = place.run("killed-cluster")
    with place.cluster() as there:
        run.start(there)
        run.wait_for_step(STRUCK)
        place.kill_cluster()
        run.job.kill()
        run.outcome()
    at = run.saved()
    with place.cluster() as there:
        seconds = again(run, there, at)
    return row(
        run, "kill -9 of the whole cluster", "a new cluster", at, seconds, same(run, reference)
    )


def lost_node(place: Place, reference: Reference) -> Row:
    """SIGKILL to the node that has the worker, and blocks of faces; another is there."""
    run = place.run("lost-node")
    with place.cluster(nodes=2) as there:
        run.start(there)
        at = run.wait_for_step(STRUCK)
        place.node_at_work().kill()
        seconds = wait_for(lambda: run.saved() > at, "a newer checkpoint")
        run.done()
    return row(
        run,
        "kill -9 of the worker's node",
        "goes on on another",
        at,
        seconds,
        same(run, reference),
    )


def preempted_node(place: Place, reference: Reference) -> Row:
    """SIGTERM to the node that has the worker: it drains, the worker saves and trains on."""
    run = place.run("preempted-node", **{"training.checkpoint_every_steps": "100000"})
    with place.cluster(nodes=2) as there:
        run.start(there)
        at = run.wait_for_step(80)
        going = place.node_at_work()
        going.ask_to_stop()
        wait_for(lambda: not run.at_an_epochs_end(), "a checkpoint at once")
        going.wait()
        at = run.saved()
        seconds = wait_for(lambda: run.saved() > at, "a newer checkpoint")
        run.done()
    start = run.groups()[-1]["step"]
    assert "a node of the worker group is going" in run.logs()
    return Row(
        "SIGTERM to the worker's node",
        "saves until it goes",
        seconds,
        f"{at - start} steps and what 2 s took",
        same(run, reference),
    )


def fewer_workers(place: Place, reference: Reference) -> Row:
    """SIGKILL to a node of an elastic group of two: it goes on with one."""
    settings = {"cluster.num_workers": "[1,2]", "cluster.cpus_per_worker": "2"}
    run = place.run("fewer-workers", **settings)
    with place.cluster(nodes=2, cpus=3) as there:
        run.start(there)
        at = run.wait_for_step(STRUCK)
        assert len(place.workers()) == 2, place.workers()
        place.node_at_work().kill()
        seconds = wait_for(lambda: run.saved() > at, "a newer checkpoint")
        outcome = run.done()
    counts = [group["workers"] for group in outcome["worker_groups"]]
    assert counts[0] == 2, counts
    assert counts[-1] == 1, counts
    back = at - run.groups()[-1]["step"]
    return Row(
        "a node of an elastic group lost",
        "two workers, then one",
        seconds,
        f"{back} to {back + EVERY} steps",
        run.batches() == reference.batches,
        "global batches",
    )
