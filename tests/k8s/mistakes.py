"""Mistakes that are made in manifests, by kind: a path, and what is put there."""

from typing import Any

HEAD = "spec/headGroupSpec/template/spec"
WORKER = "spec/workerGroupSpecs/0/template/spec"
CONTAINER = f"{WORKER}/containers/0"
JOB = "spec/jobTemplate/spec"
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
}
ALL = [(kind, path, value) for kind, some in MISTAKES.items() for path, value in some]
