"""Mistakes that are made in manifests, by kind: a path, and what is put there."""

from collections.abc import Callable
from typing import Any

HEAD = "spec/headGroupSpec/template/spec"
WORKER = "spec/workerGroupSpecs/0/template/spec"
CONTAINER = f"{WORKER}/containers/0"
JOB = "spec/jobTemplate/spec"
ENDPOINT = "spec/podMetricsEndpoints/0"
RULE = "spec/groups/0/rules/0"
MISTAKES: dict[str, list[tuple[str, Any]]] = {
    "RayCluster": [
        ("spec/workerGroupSpec", []),
        ("spec/rayVersion", 2.6),
        ("spec/rayVersion", "2.59.0"),
        ("spec/authOptions", ...),
        ("spec/authOptions/mode", "tokens"),
        ("spec/authOptions/mode", "disabled"),
        ("spec/headGroupSpec/rayStartParams/num-cpus", 0),
        ("spec/headGroupSpec/rayStartParams/num-cpus", "4"),
        (f"{HEAD}/restartPolicy", "Always"),
        (f"{HEAD}/containers", ...),
        ("metadata/name", "f" * 54),
        ("spec/workerGroupSpecs/0/minReplicas", 5),
        ("spec/workerGroupSpecs/0/maxReplicas", "four"),
        ("spec/workerGroupSpecs/0/groupName", ...),
        (f"{WORKER}/terminationGracePeriodSeconds", 30),
        (f"{WORKER}/securityContext/runAsNonRoot", False),
        (f"{WORKER}/hostNetwork", True),
        (f"{WORKER}/volumes/0", {"name": "scratch", "hostPath": {"path": "/"}}),
        (f"{CONTAINER}/image", "registry.example/fer-ray:latest"),
        (f"{CONTAINER}/image", "registry.example/fer-ray"),
        (f"{CONTAINER}/imagePullPolice", "Always"),
        (f"{CONTAINER}/resources/limits", ...),
        (f"{CONTAINER}/resources/requests/memory", ...),
        (f"{CONTAINER}/securityContext/privileged", True),
        (f"{CONTAINER}/securityContext/allowPrivilegeEscalation", ...),
        (f"{CONTAINER}/securityContext/capabilities/drop", ["NET_RAW"]),
        (f"{CONTAINER}/securityContext/readOnlyRootFilesystem", False),
        (f"{CONTAINER}/env/0/value", 30),
    ],
    "RayJob": [
        ("spec/shutdownAfterJobFinishes", False),
        ("spec/suspend", "yes"),
        ("spec/clusterSelector", {"ray.io/cluster": "fer-ray"}),
        ("spec/rayClusterSpec", ...),
        ("spec/submissionMode", "SidecarMode"),
        ("spec/submissionMode", "K8SJobMode"),
        ("spec/backoffLimit", 2),
        ("spec/activeDeadlineSeconds", ...),
        ("metadata/name", "f" * 48),
        ("spec/entryPoint", "python jobs/train.py"),
    ],
    "CronJob": [
        ("spec/concurrencyPolicy", "Allow"),
        ("spec/concurrencyPolicy", "forbid"),
        ("spec/timezone", "Etc/UTC"),
        ("spec/timeZone", ...),
        ("spec/failedJobsHistoryLimit", ...),
        (f"{JOB}/activeDeadlineSeconds", ...),
        (f"{JOB}/podFailurePolicy", ...),
        (f"{JOB}/podFailurePolicy/rules/0/onExitCodes/values", [2, 4]),
        (f"{JOB}/podFailurePolicy/rules/0/onExitCodes/containerName", "submitter"),
        (f"{JOB}/template/spec/restartPolicy", "OnFailure"),
        (f"{JOB}/template/spec/containers/0/resources/limits", ...),
    ],
    "RayCronJob": [
        ("spec/concurrencyPolicy", "Forbid"),
        ("spec/jobTemplate/activeDeadlineSeconds", ...),
        ("spec/jobTemplate/clusterSelector", ...),
        ("metadata/name", "f" * 37),
    ],
    "NetworkPolicy": [("spec/podSelectors", {}), ("spec/ingress/1/ports/0/port", [8265])],
    "PodDisruptionBudget": [("spec/maxUnavailable", True), ("kind", "PodDisruptionBudgets")],
    "PodMonitor": [
        ("spec/selector", ...),
        ("spec/selectors", {}),
        ("spec/podTargetLabels", "ray.io/cluster"),
        ("spec/podMetricsEndpoint", []),
        (f"{ENDPOINT}/port", 8080),
        (f"{ENDPOINT}/port", "metric"),
        (f"{ENDPOINT}/interval", "15 s"),
        (f"{ENDPOINT}/interval", "30s"),
        (f"{ENDPOINT}/relabelings", [{"sourceLabel": ["pod"]}]),
        (f"{ENDPOINT}/relabelings", [{"action": "substitute"}]),
        ("apiVersion", "monitoring.coreos.com/v2"),
    ],
    "PrometheusRule": [
        ("spec/groups/0/name", ...),
        ("spec/groups/0/rule", []),
        (f"{RULE}/expr", ...),
        (f"{RULE}/expr", "time() - max(kube_cronjob_status_last_success_time) > 86400"),
        (f"{RULE}/expr", "time() - max(kube_cronjob_created{name='fer-ray-retrain'}) > 86400"),
        (f"{RULE}/expr", "time() - max(kube_cronjob_created > 86400"),
        (f"{RULE}/expr", "max by (job) (kube_cronjob_created) > 86400"),
        (f"{RULE}/expr", "ray_fer_ray_epochs > 3"),
        (f"{RULE}/for", "an hour"),
        (f"{RULE}/severity", "warning"),
        (f"{RULE}/labels/severity", ...),
        (f"{RULE}/annotations/summary", ...),
        (f"{RULE}/annotations/description", 8),
    ],
}
# Of a dashboard, within its JSON.
MISTAKES_IN_A_DASHBOARD: list[tuple[str, Any]] = [
    ("schemaVersion", "39"),
    ("panel", []),
    ("panels", {}),
    ("time/form", "now-24h"),
    ("templating/list/0/type", "datasources"),
    ("templating/list/0/name", "prometheus"),
    ("templating/list/1/refresh", "on load"),
    ("templating/list/1/query/query", "label_values(ray_fer_ray_epochs, ray_io_cluster)"),
    ("templating/list/1/query/query", "label_values(ray_fer_ray_epoch, ray_io_clusters)"),
    ("templating/list/1/datasource/uid", "prometheus"),
    ("panels/0/id", 2),
    ("panels/0/title", ...),
    ("panels/0/description", ...),
    ("panels/0/type", "singlestat"),
    ("panels/0/gridPos/w", 7),
    ("panels/0/gridPos/w", "6"),
    ("panels/2/gridPos/x", 20),
    ("panels/3/gridPos/h", 0),
    ("panels/0/fieldConfig/defaults/unit", "seconds"),
    ("panels/0/fieldConfig/defaults/units", "s"),
    ("panels/0/fieldConfig/defaults/thresholds/mode", "absolut"),
    ("panels/0/options/colourMode", "background"),
    ("panels/3/targets", []),
    ("panels/3/targets/0/query", "ray_fer_ray_training_loss"),
    ("panels/3/targets/1/refId", "A"),
    ("panels/3/targets/0/expr", "max by (run) (ray_fer_ray_train_loss)"),
    ("panels/3/targets/0/expr", "max by (run) (fer_ray_training_loss)"),
    ("panels/3/targets/0/expr", "max by (runs) (ray_fer_ray_training_loss)"),
    ("panels/3/targets/0/expr", "max by (run) (ray_fer_ray_training_loss{cluster='x'})"),
    ("panels/3/targets/0/expr", "max by run (ray_fer_ray_training_loss)"),
    ("panels/3/targets/0/datasource", {"type": "prometheus", "uid": "P1809F7CD0C75ACF3"}),
]
ALL = [(kind, path, value) for kind, some in MISTAKES.items() for path, value in some]


def put(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    """A mistake: ``value`` at a path of fields and numbers; ``...`` takes away what is there."""

    def change(one: dict[str, Any]) -> None:
        *way, last = [int(part) if part.isdigit() else part for part in path.split("/")]
        place: Any = one
        for part in way:
            place = place[part]
        if value is ...:
            del place[last]
        else:
            place[last] = value

    return change
