"""``python -m tests.drill [FAULT …]``: every fault, or those named; a table, exit 1 if one is no.

A run that a fault struck must end as one that nothing happened to. About a quarter of an hour on
two cores.
"""

import os
import sys
import traceback

from tests.drill import nodes, processes, storages
from tests.drill.place import Place
from tests.drill.rows import Fault, Row, undisturbed
from tests.flaky import Flaky
from tests.s3_server import serve

FAULTS: tuple[Fault, ...] = (
    processes.killed_worker,
    processes.killed_driver,
    processes.stopped_driver,
    processes.paused_owner,
    processes.second_job,
    nodes.killed_cluster,
    nodes.lost_node,
    nodes.preempted_node,
    nodes.fewer_workers,
    storages.cut_off_upload,
    storages.flipped_byte,
    storages.dropped(30),
    storages.busy(30),
    storages.gone_storage,
)


def main() -> int:
    """Run the faults whose names hold one of argv, and print a row for each."""
    chosen = [fault for fault in FAULTS if _chosen(fault)]
    failed = 0
    with serve() as server, Flaky(server.endpoint) as relay:
        os.environ.update(server.environment)  # this process looks at the server itself
        place = Place(server, relay)
        reference = undisturbed(place)
        _say("| fault | what followed | s to recover | trained twice | the same |")
        _say("|---|---|---|---|---|")
        for fault in chosen:
            try:
                row = fault(place, reference)
            except Exception:  # noqa: BLE001 the other faults are tried all the same
                traceback.print_exc()
                _say(f"| {fault.__name__} | failed, see above | | | no |")
                failed += 1
                continue
            _say(_line(row))
            failed += not row.same
    return 1 if failed else 0


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _chosen(fault: Fault) -> bool:
    return not sys.argv[1:] or any(name in fault.__qualname__ for name in sys.argv[1:])


def _line(row: Row) -> str:
    same = f"{row.of}: {'yes' if row.same else 'no'}"
    return f"| {row.fault} | {row.done} | {row.recovered_s:.1f} | {row.again} | {same} |"


if __name__ == "__main__":
    sys.exit(main())
