"""components/monitoring: who is watched, what the dashboard shows, and when the alert fires."""

import copy
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from fer_ray.cluster import gauges
from tests.k8s import dashboards, promql
from tests.k8s.building import K8S, with_components
from tests.k8s.mistakes import MISTAKES_IN_A_DASHBOARD, put

DASHBOARD = (K8S / "components" / "monitoring" / "fer-ray.json").read_text(encoding="utf-8")
DAY_S = 86400

Objects = dict[tuple[str, str], dict[str, Any]]


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> Objects:
    """The GPU overlay's with the component, by kind and name."""
    folder = tmp_path_factory.mktemp("monitoring")
    built = with_components(folder, K8S / "overlays" / "gpu", "monitoring")
    return {(one["kind"], one["metadata"]["name"]): one for one in built}


def test_every_pod_of_ray_is_asked_and_lets_prometheus_in(objects: Objects) -> None:
    cluster = objects["RayCluster", "fer-ray"]["spec"]
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    labels = [group["template"]["metadata"]["labels"] for group in groups]
    policy = objects["NetworkPolicy", "fer-ray-metrics"]["spec"]
    asked = objects["PodMonitor", "fer-ray"]["spec"]["selector"]["matchLabels"]
    assert asked == policy["podSelector"]["matchLabels"]
    assert all(asked.items() <= one.items() for one in labels)
    submits = objects["CronJob", "fer-ray-retrain"]["spec"]["jobTemplate"]["spec"]["template"]
    assert not asked.items() <= submits["metadata"]["labels"].items()
    (way,) = policy["ingress"]
    assert way["ports"] == [{"protocol": "TCP", "port": 8080}]  # KubeRay's metrics-export-port
    (who,) = way["from"]
    assert who["namespaceSelector"]
    assert who["podSelector"]


def test_the_dashboard_shows_every_figure_of_a_run(objects: Objects) -> None:
    (text,) = objects["ConfigMap", "fer-ray-dashboard"]["data"].values()
    assert text == DASHBOARD
    asked = {
        one.name
        for panel in json.loads(text)["panels"]
        for target in panel["targets"]
        for one in promql.selectors(target["expr"])
    }
    assert {f"ray_{name}" for name in gauges.GAUGES} <= asked


@pytest.mark.parametrize(
    ("path", "value"), MISTAKES_IN_A_DASHBOARD, ids=[f"{p} {v}" for p, v in MISTAKES_IN_A_DASHBOARD]
)
def test_a_mistake_in_the_dashboard_is_caught(path: str, value: Any) -> None:
    wrong = copy.deepcopy(json.loads(DASHBOARD))
    put(path, value)(wrong)
    assert list(dashboards.faults(DASHBOARD)) == []
    assert list(dashboards.faults(json.dumps(wrong))) != []


def test_the_alert_looks_at_the_schedule_that_there_is(objects: Objects) -> None:
    for one in promql.selectors(alert(objects)["expr"]):
        (matcher,) = one.matchers.matchers
        assert str(matcher) == 'cronjob="fer-ray-retrain"'
    assert ("CronJob", "fer-ray-retrain") in objects


def alert(objects: Objects) -> dict[str, Any]:
    (group,) = objects["PrometheusRule", "fer-ray"]["spec"]["groups"]
    (rule,) = group["rules"]
    return rule


NEVER, MADE = "_", "0x3000"  # a sample every five minutes, for more than ten days
ON_DAY_5 = f"_x{5 * 288} {5 * DAY_S}x1560"


@pytest.mark.parametrize(
    ("succeeded", "hours", "overdue"),
    [
        (NEVER, 8 * 24 - 1, None),
        (NEVER, 8 * 24 + 1, "8d 1h 0m 0s"),
        (MADE, 8 * 24 - 1, None),
        (MADE, 8 * 24 + 1, "8d 1h 0m 0s"),
        (ON_DAY_5, 10 * 24, None),
    ],
    ids=str,
)
def test_the_alert_fires_after_eight_days_without_success(
    objects: Objects, tmp_path: Path, succeeded: str, hours: int, overdue: str | None
) -> None:
    """Prometheus' own evaluation, with time that begins when the schedule was made."""
    if shutil.which("promtool") is None:
        assert "CI" not in os.environ, "CI must have promtool"
        pytest.skip("trying alerts takes promtool, of the package prometheus")
    (tmp_path / "rules.yaml").write_text(
        yaml.safe_dump(objects["PrometheusRule", "fer-ray"]["spec"])
    )
    labels = {"namespace": "fer-ray", "cronjob": "fer-ray-retrain"}
    told_by = {**labels, "pod": "kube-state-metrics-0"}  # which says nothing of the schedule
    of = ", ".join(f'{name}="{value}"' for name, value in told_by.items())
    series = {
        f"kube_cronjob_created{{{of}}}": MADE,
        f"kube_cronjob_status_last_successful_time{{{of}}}": succeeded,
        # Another's schedule, which never succeeds and is none of ours.
        'kube_cronjob_created{namespace="x", cronjob="backup"}': MADE,
    }
    rule = alert(objects)
    annotations = {
        "summary": f"No retraining by fer-ray/fer-ray-retrain has succeeded for {overdue}.",
        "description": rule["annotations"]["description"].replace(
            "{{ $labels.namespace }}", "fer-ray"
        ),
    }
    fires = {"exp_labels": {**labels, **rule["labels"]}, "exp_annotations": annotations}
    test = {
        "interval": "5m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "alert_rule_test": [
            {
                "eval_time": f"{hours}h",
                "alertname": "FerRayRetrainingOverdue",
                "exp_alerts": [fires] if overdue else [],
            }
        ],
    }
    told = {"rule_files": ["rules.yaml"], "evaluation_interval": "5m", "tests": [test]}
    (tmp_path / "test.yaml").write_text(yaml.safe_dump(told))
    done = subprocess.run(
        ["promtool", "test", "rules", "test.yaml"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, (done.stdout, done.stderr)
