"""Is the cluster ready? A pure reading of objects: what is still waited for, and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from sealane.kube import kinds
from sealane.kube.kinds import Kind
from sealane.kube.objects import Key, Object
from sealane.kube.selectors import LabelSelector
from sealane.network.routes.classes import GATEWAY_CONTROLLER, served_here

WATCHED: tuple[Kind, ...] = (
    kinds.NODE,
    kinds.POD,
    kinds.SERVICE,
    kinds.DEPLOYMENT,
    kinds.STATEFULSET,
    kinds.DAEMONSET,
    kinds.JOB,
    kinds.GATEWAY,
    kinds.GATEWAYCLASS,
)


class Waiting(msgspec.Struct, frozen=True):
    """An object that is not ready yet. final: waiting longer will not help."""

    key: Key
    reason: str
    final: bool = False


def waiting(objects: Iterable[Object]) -> list[Waiting]:
    """The objects that are not ready, in the terms of `kubectl rollout status` and of each kind's conditions.

    A Job is ready when it is complete, and while all of its pods run and none has failed.
    """
    every = list(objects)
    classes = {each.name: each for each in every if each.kind == kinds.GATEWAYCLASS.kind}
    found = []
    for each in every:
        if reason := _reason(each):
            final = ""
            if each.kind == kinds.GATEWAY.kind:
                final = _unserved(each, classes)
            elif each.kind == kinds.JOB.kind and condition_is(each.status, "Failed", "True"):
                final = reason
            found.append(Waiting(each.key, final or reason, final=bool(final)))
    return found


_ROLLED = (kinds.DEPLOYMENT.kind, kinds.STATEFULSET.kind, kinds.DAEMONSET.kind)


def pod_of(workload: Object, pods: Iterable[Object]) -> str:
    """The first pod of a workload that is not ready, and what it waits for; "" for none, and for other kinds."""
    if workload.kind not in _ROLLED:
        return ""
    selector = LabelSelector.of(workload.spec.get("selector") or {})
    for pod in pods:
        if pod.namespace == workload.namespace and selector.matches(pod.labels) and not pod.deleting:
            if condition_is(pod.status, "Ready", "True"):
                continue
            return f"{pod.name}: {pod_reason(pod)}"
    return ""


def running_job(each: Object) -> bool:
    """Whether a Job's pods run, so that nobody knows yet how they end."""
    return each.kind == kinds.JOB.kind and not _reason(each) and bool(each.status.get("active"))


def patience(each: Object) -> float:
    """Seconds that the probes of one object's pods ask for themselves, from the start of a container until it is ready.

    A startup probe may take all of its failures; pods that start one after the other take it each. 0 for other kinds.
    """
    if each.kind == kinds.POD.kind:
        return _patience_of(each.spec)
    if each.kind not in _ROLLED:
        return 0.0
    one = _patience_of((each.spec.get("template") or {}).get("spec") or {})
    ordered = each.kind == kinds.STATEFULSET.kind and each.spec.get("podManagementPolicy") != "Parallel"
    return one * int(each.spec.get("replicas", 1)) if ordered else one


def _patience_of(spec: Mapping[str, Any]) -> float:
    inits = [each for each in spec.get("initContainers") or () if each.get("restartPolicy") == "Always"]
    before = sum(_probing(each.get("startupProbe"), "failureThreshold", 3) for each in inits)
    return before + max((_patience_with(each) for each in spec.get("containers") or ()), default=0.0)


def _patience_with(container: Mapping[str, Any]) -> float:
    started = _probing(container.get("startupProbe"), "failureThreshold", 3)
    readiness = container.get("readinessProbe") or {}
    return max(started, float(readiness.get("initialDelaySeconds", 0))) + _probing(
        {**readiness, "initialDelaySeconds": 0} if readiness else None, "successThreshold", 1
    )


def _probing(probe: Mapping[str, Any] | None, times: str, default: int) -> float:
    if not probe:
        return 0.0
    period = max(int(probe.get("periodSeconds") or 10), 1)
    return float(probe.get("initialDelaySeconds") or 0) + period * int(probe.get(times) or default)


def pod_reason(pod: Object) -> str:
    """Why a pod is not ready: the reason kubectl shows in its STATUS column, with the message where there is one."""
    for status in pod.status.get("containerStatuses") or ():
        state: Mapping[str, Any] = (status.get("state") or {}).get("waiting") or {}
        if state.get("reason"):
            message = str(state.get("message", "")).removeprefix(f"{state['reason']}: ")
            return f"{state['reason']}: {message}".rstrip(": ")
        running = (status.get("state") or {}).get("running") is not None
        if running and not status.get("ready") and (probe := _probed(pod, status)):
            return probe
    for condition in pod.status.get("conditions") or ():
        if condition.get("status") == "False" and condition.get("message"):
            return str(condition["message"])
    return str(pod.status.get("phase") or "Pending")


def _probed(pod: Object, status: Mapping[str, Any]) -> str:
    """Which probe a running container waits for, and when that asks."""
    for container in pod.spec.get("containers") or ():
        if container.get("name") == status.get("name"):
            name = "startupProbe" if container.get("startupProbe") and not status.get("started") else "readinessProbe"
            if probe := container.get(name):
                first, period = int(probe.get("initialDelaySeconds") or 0), int(probe.get("periodSeconds") or 10)
                return f"{name} of {container['name']} (first after {first} s, then every {period} s)"
    return ""


def _reason(each: Object) -> str:
    spec, status = each.spec, each.status
    if each.deleting:
        return ""
    match each.kind:
        case "Node":
            return "" if condition_is(status, "Ready", "True") else "not ready"
        case "Deployment" | "StatefulSet":
            replicas = spec.get("replicas", 1)
            ready = status.get("readyReplicas", 0)
            if status.get("observedGeneration", 0) < each.metadata.get("generation", 0):
                return "not seen by its controller yet"
            if status.get("updatedReplicas", 0) < replicas or ready < replicas:
                return f"{ready} of {replicas} ready"
            return ""
        case "DaemonSet":
            if status.get("observedGeneration", 0) < each.metadata.get("generation", 0):
                return "not seen by its controller yet"
            ready, wanted = status.get("numberReady", 0), status.get("desiredNumberScheduled", 0)
            return "" if ready >= wanted else f"{ready} of {wanted} ready"
        case "Pod":
            if each.metadata.get("ownerReferences") or status.get("phase") in ("Succeeded", "Failed"):
                return ""
            return "" if condition_is(status, "Ready", "True") else pod_reason(each)
        case "Service":
            if spec.get("type") == "LoadBalancer" and not spec.get("loadBalancerClass"):
                return "" if (status.get("loadBalancer") or {}).get("ingress") else "no address yet"
            return ""
        case "Job":
            return "" if each.metadata.get("ownerReferences") or spec.get("suspend") else _unfinished(each)
        case "Gateway":
            return _unless(status, "Programmed")
        case _:
            return ""


def _unfinished(job: Object) -> str:
    status = job.status
    if condition_is(status, "Complete", "True"):
        return ""
    for condition in status.get("conditions") or ():
        if condition.get("type") == "Failed" and condition.get("status") == "True":
            return f"failed: {condition.get('message') or condition.get('reason') or ''}".rstrip(": ")
    failed, active, ready = (int(status.get(name) or 0) for name in ("failed", "active", "ready"))
    if failed:
        return f"{failed} of its pods failed"
    return "" if active and ready >= active else f"{ready} of its pods run"


def _unserved(gateway: Object, classes: Mapping[str, Object]) -> str:
    """Why no controller of this cluster will ever program a Gateway, or ""."""
    name = gateway.spec.get("gatewayClassName", "")
    found = classes.get(name)
    served = [each.name for each in classes.values() if served_here(each, GATEWAY_CONTROLLER)]
    here = f"; this cluster serves gatewayClassName: {' or '.join(sorted(served))}" if served else ""
    if found is None:
        return f"there is no GatewayClass {name!r}{here}"
    if not served_here(found, GATEWAY_CONTROLLER):
        here += f" (up --gateway-class {name} adopts this class)"
        return f"GatewayClass {name!r} belongs to controller {found.spec.get('controllerName')!r}{here}"
    return ""


def condition_is(status: Mapping[str, Any], kind: str, value: str) -> bool:
    return any(
        condition.get("type") == kind and condition.get("status") == value
        for condition in status.get("conditions") or ()
    )


def _unless(status: Mapping[str, Any], kind: str) -> str:
    for condition in status.get("conditions") or ():
        if condition.get("type") == kind:
            if condition.get("status") == "True":
                return ""
            return str(condition.get("message") or condition.get("reason") or f"not {kind}")
    return f"not {kind} yet"
