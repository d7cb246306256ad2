"""Pod.status as the kubelet writes it, from a pod's state. Pure.

Source: https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/#PodStatus and
https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-conditions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import Any

from sealane.dataplane.pods.lifecycle import DEADLINE
from sealane.dataplane.pods.states import Container, ContainerPlan, Exit, PodState, Role
from sealane.kube.objects import Object, Raw
from sealane.kube.times import timestamp
from sealane.network.standins import IMAGE_ID, STAND_IN_ID


def pod_status(
    pod: Object, state: PodState, node_ips: Sequence[str], now: float, stand_ins: Set[str] = frozenset()
) -> Raw:
    """All that the kubelet writes. Conditions keep their lastTransitionTime while they do not change.

    stand_ins: the containers in whose place a stand-in answers; their imageID says so.
    """
    every = [*_containers(pod), *(pod.spec.get("ephemeralContainers") or ())]
    images = {one["name"]: one.get("image", "") for one in every}

    def statuses(*roles: Role) -> list[Raw]:
        return [
            _container_status(pod, plan, state, images[plan.name], plan.name in stand_ins)
            for plan in state.plans
            if plan.role in roles
        ]

    status: Raw = {
        "phase": state.phase,
        "conditions": _conditions(pod, state, now),
        "hostIP": node_ips[0],
        "hostIPs": [{"ip": ip} for ip in node_ips],
        "qosClass": _qos(pod),
        "startTime": timestamp(state.created),
        "containerStatuses": statuses("main"),
    }
    if state.expired:
        status |= {"reason": "DeadlineExceeded", "message": DEADLINE}
    if state.ips:
        status["podIP"] = state.ips[0]
        status["podIPs"] = [{"ip": ip} for ip in state.ips]
    if inits := statuses("init", "sidecar"):
        status["initContainerStatuses"] = inits
    if ephemeral := statuses("ephemeral"):
        status["ephemeralContainerStatuses"] = ephemeral
    return status


def difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> Raw:
    """The strategic merge patch of the top-level fields that differ; empty when none does.

    Conditions are merged by type, so those that others write meanwhile are not touched; addresses are replaced.
    """
    patch: Raw = {}
    for key, value in new.items():
        if old.get(key) == value:
            continue
        if key == "conditions":
            known = {one["type"]: one for one in old.get(key) or ()}
            value = [one for one in value if one != known.get(one["type"])]
            if not value:
                continue
        elif key in ("podIPs", "hostIPs"):
            value = [*value, {"$patch": "replace"}]
        patch[key] = value
    return patch


def _containers(pod: Object) -> list[Raw]:
    return [*(pod.spec.get("initContainers") or ()), *(pod.spec.get("containers") or ())]


def _conditions(pod: Object, state: PodState, now: float) -> list[Raw]:
    known = {one["type"]: one for one in pod.status.get("conditions") or ()}
    finished = state.phase in ("Succeeded", "Failed")
    counting = [plan for plan in state.plans if plan.role in ("main", "sidecar")]
    unready = [plan.name for plan in counting if not state.containers[plan.name].ready]
    waiting = [plan.name for plan in state.plans if not state.containers[plan.name].initialized(plan)]
    if finished:
        reason = ("PodCompleted" if state.phase == "Succeeded" else "PodFailed", "")
    else:
        reason = ("ContainersNotReady", f"containers with unready status: [{' '.join(unready)}]")
    gates = [
        gate["conditionType"]
        for gate in pod.spec.get("readinessGates") or ()
        if known.get(gate["conditionType"], {}).get("status") != "True"
    ]
    not_initialized = ("ContainersNotInitialized", f"containers with incomplete status: [{' '.join(waiting)}]")
    containers_ready = state.ready and not finished
    wanted: list[tuple[str, bool, tuple[str, str]]] = [
        ("PodReadyToStartContainers", bool(state.ips) and not finished, state.problem or ("", "")),
        ("Initialized", state.initialized, not_initialized if not finished else reason),
        (
            "Ready",
            containers_ready and not gates,
            reason
            if not containers_ready
            else (
                "ReadinessGatesNotReady",
                f'corresponding condition of pod readiness gate "{gates[0]}" does not exist.',
            )
            if gates
            else ("", ""),
        ),
        ("ContainersReady", containers_ready, reason),
        ("PodScheduled", True, ("", "")),
    ]
    return [_condition(known.get(kind), kind, true, why, now) for kind, true, why in wanted]


def _condition(known: Raw | None, kind: str, true: bool, why: tuple[str, str], now: float) -> Raw:
    value = "True" if true else "False"
    since = known["lastTransitionTime"] if known and known.get("status") == value else None
    condition: Raw = {
        "type": kind,
        "status": value,
        "lastProbeTime": None,
        "lastTransitionTime": since or timestamp(now),
    }
    if not true and why[0]:
        condition["reason"] = why[0]
        if why[1]:
            condition["message"] = why[1]
    return condition


def _container_status(pod: Object, plan: ContainerPlan, state: PodState, image: str, stand_in: bool) -> Raw:
    container = state.containers[plan.name]
    live: Raw
    if container.stage in ("running", "stopping"):
        live = {"running": {"startedAt": timestamp(container.started)}}
    elif container.stage in ("ended", "exited") and container.exit is not None:
        live = {"terminated": _terminated(pod, plan.name, container, container.exit)}
    else:
        waiting: Raw = {"reason": _waiting_reason(plan, container, state)}
        if container.message and waiting["reason"] != "ContainerCreating":
            waiting["message"] = container.message
        live = {"waiting": waiting}
    last = container.last if container.stage in ("running", "stopping") else container.exit or container.last
    if "terminated" in live:
        last = container.last
    status: Raw = {
        "name": plan.name,
        "state": live,
        "lastState": {"terminated": _terminated(pod, plan.name, container, last)} if last else {},
        # A finished init container counts as ready.
        "ready": container.initialized(plan) if plan.role == "init" else container.ready,
        "restartCount": container.restarts,
        "image": image,
        "imageID": f"{STAND_IN_ID if stand_in else IMAGE_ID}{image}",
        "started": container.stage in ("running", "stopping") and container.passed,
    }
    if container.started:
        status["containerID"] = container_id(pod.uid, plan.name, container.restarts)
    return status


def _waiting_reason(plan: ContainerPlan, container: Container, state: PodState) -> str:
    if container.stage == "backoff" or container.message:
        return container.reason
    if plan.role == "main" and not state.initialized and any(one.role != "main" for one in state.plans):
        return "PodInitializing"
    return "ContainerCreating"


def _terminated(pod: Object, name: str, container: Container, ended: Exit) -> Raw:
    terminated: Raw = {
        "exitCode": ended.code,
        "reason": ended.reason,
        "startedAt": timestamp(ended.started) if ended.started else None,
        "finishedAt": timestamp(ended.finished),
        "containerID": container_id(pod.uid, name, container.restarts),
    }
    if ended.message:
        terminated["message"] = ended.message
    if ended.signal:
        terminated["signal"] = ended.signal
    return terminated


def container_id(uid: str, name: str, attempt: int) -> str:
    return f"sealane://{uid}/{name}/{attempt}"


def _qos(pod: Object) -> str:
    """https://kubernetes.io/docs/concepts/workloads/pods/pod-qos/"""
    guaranteed, any_set = True, False
    for container in _containers(pod):
        resources: Mapping[str, Any] = container.get("resources") or {}
        limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
        for resource in ("cpu", "memory"):
            limit, request = limits.get(resource), requests.get(resource, limits.get(resource))
            any_set = any_set or limit is not None or request is not None
            guaranteed = guaranteed and limit is not None and request == limit
    if not any_set:
        return "BestEffort"
    return "Guaranteed" if guaranteed else "Burstable"
