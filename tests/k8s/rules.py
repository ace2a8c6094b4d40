"""What KubeRay's operator refuses and its definitions do not say, and what we refuse for safety."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

LONGEST_NAME = {"RayCluster": 53, "RayJob": 47, "RayCronJob": 36}
_SUBMISSION = ("K8sJobMode", "HTTPMode", "InteractiveMode", "SidecarMode")
_FIXED_TAG = re.compile(r"[^:@]+(:\d+/[^:@]+)?(:(?!latest$)[\w.-]*\d[\w.-]*|@sha256:[0-9a-f]{64})")
_DRAIN_S = 30  # RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S

Object = Mapping[str, Any]


def operators(one: Object) -> Iterator[str]:
    """What KubeRay 1.7 refuses in an object of Ray's kinds."""
    kind, name, spec = one["kind"], one["metadata"]["name"], one["spec"]
    if kind not in LONGEST_NAME:
        return
    if len(name) > LONGEST_NAME[kind]:
        yield f"the name of a {kind} must have at most {LONGEST_NAME[kind]} characters, got {name}"
    if kind == "RayCronJob":
        spec = spec["jobTemplate"]
    if kind in ("RayJob", "RayCronJob"):
        yield from _of_job(spec)
    cluster = spec if kind == "RayCluster" else spec.get("rayClusterSpec")
    if cluster:
        yield from _of_cluster(cluster)


def _of_job(spec: Object) -> Iterator[str]:
    ends = spec.get("shutdownAfterJobFinishes", False)
    if spec.get("ttlSecondsAfterFinished", 0) > 0 and not ends:
        yield "ttlSecondsAfterFinished needs shutdownAfterJobFinishes"
    if spec.get("suspend") and not ends:
        yield "suspend needs shutdownAfterJobFinishes"
    mode = spec.get("submissionMode", "K8sJobMode")
    if mode not in _SUBMISSION:
        yield f"submissionMode must be one of {', '.join(_SUBMISSION)}, got {mode}"
    if mode == "SidecarMode" and "submitterPodTemplate" in spec:
        yield "SidecarMode excludes submitterPodTemplate"
    if "clusterSelector" in spec:
        if "rayClusterSpec" in spec:
            yield "clusterSelector excludes rayClusterSpec"
        if spec.get("suspend") or spec.get("backoffLimit", 0) > 0 or mode == "SidecarMode":
            yield "clusterSelector excludes suspend, backoffLimit and SidecarMode"
    elif "rayClusterSpec" not in spec:
        yield "a RayJob needs rayClusterSpec or clusterSelector"


def _of_cluster(spec: Object) -> Iterator[str]:
    version = spec.get("autoscalerOptions", {}).get("version", "v1")
    for path, group in _groups(spec):
        pod = group["template"]["spec"]
        scales = path == "head" and spec.get("enableInTreeAutoscaling") and version == "v2"
        if scales and pod.get("restartPolicy", "Never") != "Never":
            yield "the head's restartPolicy must be Never with autoscaler v2"
        if group.get("minReplicas", 0) > group.get("maxReplicas", 2**31):
            yield f"{path}: minReplicas must be at most maxReplicas"
        asked = {"num-cpus": "cpu", "memory": "memory", "num-gpus": "nvidia.com/gpu"}
        for name in set(asked) & set(group.get("rayStartParams", {})):
            if name in group.get("resources", {}):
                yield f"{path}: {name} must stand in rayStartParams or in resources, not in both"


def _groups(spec: Object) -> Iterator[tuple[str, Object]]:
    yield "head", spec["headGroupSpec"]
    for group in spec.get("workerGroupSpecs", []):
        yield group["groupName"], group


def ours(one: Object, ray: str) -> Iterator[str]:
    """What is not safe by default in an object; ``ray`` is the locked version."""
    if one["kind"] == "Secret":
        yield "no Secret may be part of a manifest: only its shape is shown"
    for cluster in _clusters(one):
        yield from _safe_cluster(cluster, ray)
    for path, pod in pods(one):
        yield from _of_pod(path, pod)
    if one["kind"] in ("RayJob", "RayCronJob"):
        spec = one["spec"] if one["kind"] == "RayJob" else one["spec"]["jobTemplate"]
        if "activeDeadlineSeconds" not in spec:
            yield f"a {one['kind']} must have activeDeadlineSeconds"
        if spec.get("backoffLimit", 0):
            yield "a RayJob's backoffLimit must be 0: each retry is a training of its own"
    if one["kind"] == "CronJob":
        yield from _of_schedule(one["spec"])


def _safe_cluster(cluster: Object, ray: str) -> Iterator[str]:
    if cluster.get("rayVersion") != ray:
        yield f"rayVersion must be {ray}, got {cluster.get('rayVersion')}"
    if cluster.get("authOptions", {}).get("mode") != "token":
        yield "authOptions.mode must be token"
    if cluster["headGroupSpec"].get("rayStartParams", {}).get("num-cpus") != "0":
        yield 'the head must have num-cpus "0": it runs no work'
    scaler = cluster.get("autoscalerOptions")
    if scaler:
        yield from _of_container("autoscaler", scaler)
    for path, group in _groups(cluster):
        grace = group["template"]["spec"].get("terminationGracePeriodSeconds", 30)
        if grace <= _DRAIN_S:
            yield f"{path}: terminationGracePeriodSeconds must be above {_DRAIN_S}, got {grace}"


def _of_schedule(spec: Object) -> Iterator[str]:
    if spec.get("concurrencyPolicy") != "Forbid":
        yield "concurrencyPolicy must be Forbid"
    for name in ("timeZone", "successfulJobsHistoryLimit", "failedJobsHistoryLimit"):
        if name not in spec:
            yield f"a CronJob must have {name}"
    job = spec["jobTemplate"]["spec"]
    if "activeDeadlineSeconds" not in job:
        yield "a CronJob's Job must have activeDeadlineSeconds"
    pod = job["template"]["spec"]
    if pod.get("restartPolicy") != "Never":
        yield "a schedule's pods must have restartPolicy Never, as a podFailurePolicy demands"
    names = {container["name"] for container in pod["containers"]}
    kept: set[int] = set()
    for rule in job.get("podFailurePolicy", {}).get("rules", []):
        exits = rule.get("onExitCodes", {})
        if exits.get("containerName", next(iter(names))) not in names:
            yield f"podFailurePolicy names no container: {exits['containerName']}"
        if rule["action"] == "FailJob" and exits.get("operator") == "In":
            kept |= set(exits["values"])
    if not {2, 3, 4} <= kept:
        yield "podFailurePolicy must not retry exit codes 2, 3 and 4"


def _clusters(one: Object) -> Iterator[Object]:
    if one["kind"] == "RayCluster":
        yield one["spec"]
    elif one["kind"] == "RayJob" and "rayClusterSpec" in one["spec"]:
        yield one["spec"]["rayClusterSpec"]


def pods(one: Any, path: str = "") -> Iterator[tuple[str, Object]]:
    """Every pod's spec within an object, and where it stands."""
    if isinstance(one, Mapping):
        if "containers" in one:
            yield path, one
        for name, inner in one.items():
            yield from pods(inner, f"{path}.{name}".strip("."))
    elif isinstance(one, list):
        for number, inner in enumerate(one):
            yield from pods(inner, f"{path}[{number}]")


def _of_pod(path: str, pod: Object) -> Iterator[str]:
    if not pod.get("securityContext", {}).get("runAsNonRoot"):
        yield f"{path}: runAsNonRoot must be true"
    if pod.get("securityContext", {}).get("seccompProfile", {}).get("type") != "RuntimeDefault":
        yield f"{path}: seccompProfile must be RuntimeDefault"
    for name in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.get(name):
            yield f"{path}: {name} must be off"
    if any("hostPath" in volume for volume in pod.get("volumes", [])):
        yield f"{path}: no volume may be a hostPath"
    for container in [*pod["containers"], *pod.get("initContainers", [])]:
        yield from _of_container(f"{path}: {container['name']}", container)
        image = container.get("image", "")
        if not _FIXED_TAG.fullmatch(image):
            yield f"{path}: {container['name']} must have an exact tag or digest, got {image!r}"


def _of_container(path: str, container: Object) -> Iterator[str]:
    context = container.get("securityContext", {})
    if context.get("privileged") or context.get("allowPrivilegeEscalation", True):
        yield f"{path} must not escalate privileges"
    if context.get("capabilities", {}).get("drop") != ["ALL"]:
        yield f"{path} must drop all capabilities"
    if not context.get("readOnlyRootFilesystem"):
        yield f"{path} must have a read-only root filesystem"
    for what in ("requests", "limits"):
        given = container.get("resources", {}).get(what, {})
        for name in ("cpu", "memory"):
            if name not in given:
                yield f"{path} must have {what} of {name}"
