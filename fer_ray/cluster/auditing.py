"""An audit: all faces looked at by tasks, all pairs of blocks compared, what was found written.

The driver holds a few facts of each face and the pairs that were found, never pixels but those of
the handful that the page shows.
"""

import logging
from collections.abc import Sequence
from itertools import combinations_with_replacement
from typing import Any

import pyarrow as pa
import ray
from tqdm import tqdm

from fer_ray.cluster.everyone import everyone
from fer_ray.cluster.lookup import by_id
from fer_ray.cluster.owning import conducted, owned
from fer_ray.faces import audit as faces
from fer_ray.faces import near
from fer_ray.faces.exhibits import exhibits
from fer_ray.faces.near import PAIRS, Prints
from fer_ray.faces.overlap import pair_rows
from fer_ray.faces.sheets import data_uri
from fer_ray.inspection import AuditJobConfig
from fer_ray.job import Outcome
from fer_ray.runs import audit_page, audit_words, layout, record, storage
from fer_ray.runs.lease import Lease

logger = logging.getLogger(__name__)


def audit(config: AuditJobConfig) -> Outcome:
    """The outcome of an audit, or of what stopped it; the same again for a name that has one."""
    return conducted(_owned, config, "audit")


def _owned(config: AuditJobConfig) -> Outcome:
    """The audit, by its one owner."""
    return owned(config, lambda run, held: _audit(config, run, held), {})


def _audit(config: AuditJobConfig, run: storage.Store, held: Lease) -> Outcome:
    """Look at every face, compare, tell."""
    record.write_config(run, config)
    logger.info("reading faces from %s", config.data.uri)
    people = everyone(config)
    looked: list[Any] = [_looked.remote(block) for block in people.blocks]
    facts = pa.concat_tables(ray.get([told for told, _ in looked]))
    pairs = _compared([prints for _, prints in looked], config.audit.near)
    told = faces.findings(facts, pairs, deduplicate=people.deduplicate)
    told["near"]["threshold"] = config.audit.near
    told |= {"refused_rows": people.refused, "protocol": people.protocol}
    told |= {"leaky": told["leak"]["faces"] > 0, "deduplicate": people.deduplicate}
    refused = config.audit.strict and told["leaky"]
    outcome = Outcome(
        status="refused" if refused else "done",
        run=config.run,
        uri=run.uri,
        error=audit_words.refusal(told) if refused else None,
        **told,
    )
    rows = pair_rows(facts, pairs)
    shown = exhibits(facts, rows)
    wanted = {one for some in shown.values() for exhibit in some for one in exhibit.ids}
    pictures = {one: data_uri(image) for one, image in by_id(people.blocks, wanted).items()}
    held.guard.check()
    document = outcome.model_dump(mode="json", exclude_none=True)
    audit_page.write(run, document, rows, shown, pictures)
    held.guard.check()
    record.write_document(run, layout.OUTCOME, document)
    return outcome


def _compared(prints: Sequence["ray.ObjectRef[Prints]"], least: float) -> pa.Table:
    """Table of ``PAIRS``: all near duplicates, by a task for each pair of blocks."""
    blocks = list(combinations_with_replacement(prints, 2))
    logger.info("comparing all faces with all others, in %d tasks", len(blocks))
    tasks = [
        _within.remote(ours, least) if ours is theirs else _between.remote(ours, theirs, least)
        for ours, theirs in blocks
    ]
    found = [PAIRS.empty_table()]
    with tqdm(tasks, desc="comparing", unit="task", disable=None, leave=False) as bar:
        for task in bar:
            found.append(ray.get(task))
    return pa.concat_tables(found)


@ray.remote(num_returns=2)
def _looked(rows: pa.Table) -> tuple[pa.Table, Prints]:
    """What is known of the faces of one block, and what they are compared by."""
    return faces.facts_of(rows), Prints.of(rows)


@ray.remote
def _within(prints: Prints, least: float) -> pa.Table:
    return near.near_pairs(prints, prints, least)


@ray.remote
def _between(ours: Prints, theirs: Prints, least: float) -> pa.Table:
    return near.near_pairs(ours, theirs, least)
