"""What the Prometheus operator or Grafana would take, and nobody would see or understand."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import promql_parser

from tests.k8s import dashboards, promql

PORT = "metrics"  # KubeRay's name for it, on every pod of Ray
_SHOWN_FOR = timedelta(seconds=20)  # by Ray, once a run has ended
_SIDECAR = "grafana_dashboard"  # the label that Grafana's sidecar looks for

Object = Mapping[str, Any]


def faults(one: Object) -> Iterator[str]:
    """What is wrong with an object that is there for monitoring."""
    if one["kind"] == "PodMonitor":
        yield from _of_monitor(one["spec"])
    if one["kind"] == "PrometheusRule":
        for group in one["spec"].get("groups", []):
            for rule in group.get("rules", []):
                yield from _of_alert(rule)
    if one["kind"] == "ConfigMap":
        texts = [text for name, text in one["data"].items() if name.endswith(".json")]
        if texts and one["metadata"].get("labels", {}).get(_SIDECAR) != "1":
            yield f'a dashboard must have the label {_SIDECAR}: "1"'
        for text in texts:
            yield from dashboards.faults(text)


def _of_monitor(spec: Object) -> Iterator[str]:
    endpoints = spec.get("podMetricsEndpoints", [])
    if [one.get("port") for one in endpoints] != [PORT]:
        yield f"a PodMonitor must ask the port {PORT} that KubeRay gives Ray's pods"
    for one in endpoints:
        interval = one.get("interval", "1m")
        if promql_parser.parse_duration(interval) >= _SHOWN_FOR:
            yield f"a run's last figures are shown for {_SHOWN_FOR}, got an interval of {interval}"


def _of_alert(rule: Object) -> Iterator[str]:
    name = rule.get("alert")
    if not name:
        yield "a rule must be an alert"
    if "severity" not in rule.get("labels", {}):
        yield f"{name} must have a severity"
    for what in ("summary", "description"):
        if not rule.get("annotations", {}).get(what):
            yield f"{name} must have a {what}"
    yield from promql.faults(str(rule["expr"]))
