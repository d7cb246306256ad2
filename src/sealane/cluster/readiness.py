"""Is the cluster ready? A pure reading of objects: what is still waited for, and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sealane.kube import kinds
from sealane.kube.kinds import Kind
from sealane.kube.objects import Key, Object
from sealane.network.routes.gateway_api.listeners import CONTROLLER

WATCHED: tuple[Kind, ...] = (
    kinds.NODE,
    kinds.POD,
    kinds.SERVICE,
    kinds.DEPLOYMENT,
    kinds.STATEFULSET,
    kinds.DAEMONSET,
    kinds.GATEWAY,
    kinds.GATEWAYCLASS,
)


@dataclass(frozen=True, slots=True)
class Waiting:
    """An object that is not ready yet. final: waiting longer will not help."""

    key: Key
    reason: str
    final: bool = False


def waiting(objects: Iterable[Object]) -> list[Waiting]:
    """The objects that are not ready, in the terms of `kubectl rollout status` and of each kind's conditions."""
    every = list(objects)
    classes = {each.name: each for each in every if each.kind == kinds.GATEWAYCLASS.kind}
    found = []
    for each in every:
        if reason := _reason(each):
            nobody = _unserved(each, classes) if each.kind == kinds.GATEWAY.kind else ""
            found.append(Waiting(each.key, nobody or reason, final=bool(nobody)))
    return found


def pod_reason(pod: Object) -> str:
    """Why a pod is not ready: the reason kubectl shows in its STATUS column, with the message where there is one."""
    for status in pod.status.get("containerStatuses") or ():
        state: Mapping[str, Any] = (status.get("state") or {}).get("waiting") or {}
        if state.get("reason"):
            message = str(state.get("message", "")).removeprefix(f"{state['reason']}: ")
            return f"{state['reason']}: {message}".rstrip(": ")
    for condition in pod.status.get("conditions") or ():
        if condition.get("status") == "False" and condition.get("message"):
            return str(condition["message"])
    return str(pod.status.get("phase") or "Pending")


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
        case "Gateway":
            return _unless(status, "Programmed")
        case _:
            return ""


def _unserved(gateway: Object, classes: Mapping[str, Object]) -> str:
    """Why no controller of this cluster will ever program a Gateway, or ""."""
    name = gateway.spec.get("gatewayClassName", "")
    found = classes.get(name)
    served = [each.name for each in classes.values() if each.spec.get("controllerName") == CONTROLLER]
    here = f"; this cluster serves gatewayClassName: {' or '.join(sorted(served))}" if served else ""
    if found is None:
        return f"there is no GatewayClass {name!r}{here}"
    if found.spec.get("controllerName") != CONTROLLER:
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
