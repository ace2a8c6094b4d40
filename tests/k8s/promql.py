"""Whether a query of a dashboard or an alert asks for metrics and labels that there are."""

import re
from collections.abc import Iterator

from promql_parser import AggregateExpr, BinaryExpr, Expr, VectorSelector, parse, walk

from fer_ray.cluster import gauges

# What a PodMonitor puts to a metric of its targets; of Ray's own labels none is asked for.
_PLACE = {"namespace", "pod", "ray_io_cluster", "ray_io_node_type"}
# Of kube-state-metrics, as its documentation of CronJobs has them.
_CRONJOB = {"namespace", "cronjob"}
METRICS = {f"ray_{name}": {"run", *_PLACE} for name in gauges.GAUGES} | {
    "kube_cronjob_created": _CRONJOB,
    "kube_cronjob_status_last_successful_time": _CRONJOB,
}
_LABEL_VALUES = re.compile(r"label_values\((.+), (\w+)\)")


def selectors(query: str) -> list[VectorSelector]:
    """Every metric that a query selects.

    Raises:
        ValueError: it is no PromQL.
    """
    return [one for one in _parts(query) if isinstance(one, VectorSelector)]


def faults(query: str) -> Iterator[str]:
    """What is wrong with a query, each in a sentence."""
    try:
        selected = selectors(query)
    except ValueError as error:
        yield f"a query must be PromQL, got {query!r}: {error}"
        return
    if not selected:
        yield f"a query must select a metric, got {query!r}"
    known: set[str] = set()
    for one in selected:
        if one.name not in METRICS:
            yield f"a query must select a metric that there is, got {one.name}"
            continue
        known |= METRICS[one.name]
        for matcher in one.matchers.matchers:
            if matcher.name not in METRICS[one.name]:
                yield f"{one.name} has no label {matcher.name}"
    for label in _gathered_by(query) - known:
        yield f"no metric of {query!r} has the label {label}"


def faults_of_variable(query: str) -> Iterator[str]:
    """What is wrong with the query of a dashboard's variable: a label's values."""
    asked = _LABEL_VALUES.fullmatch(query)
    if asked is None:
        yield f"a variable must ask for label_values(METRIC, LABEL), got {query!r}"
    else:
        yield from faults(f"max by ({asked[2]}) ({asked[1]})")


def _gathered_by(query: str) -> set[str]:
    """The labels by which a query aggregates or matches."""
    found: set[str] = set()
    for one in _parts(query):
        if isinstance(one, AggregateExpr) and one.modifier:
            found.update(one.modifier.labels)
        if isinstance(one, BinaryExpr) and one.modifier and one.modifier.matching:
            found.update(one.modifier.matching.labels)
    return found


def _parts(query: str) -> list[Expr]:
    """A query's syntax tree, laid flat."""
    found: list[Expr] = []
    walk(parse(query), found.append)
    return found
