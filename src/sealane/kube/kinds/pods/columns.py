"""Columns of `kubectl get pods`: ready containers, one word for its state, restarts; and what it says of
a pod template.

Source: printPod in k8s.io/kubernetes/pkg/printers/internalversion/printers.go
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sealane.kube.kinds.ages import since
from sealane.kube.kinds.column import AGE, NAME, NONE, Column, shown, spec_of, status_of, text
from sealane.kube.objects import Raw

Status = Mapping[str, Any]


def _condition(raw: Raw, type_: str) -> Status:
    return next((each for each in status_of(raw).get("conditions") or () if each.get("type") == type_), {})


def _state(container: Status, which: str) -> Status | None:
    return (container.get("state") or {}).get(which)


def _sidecars(raw: Raw) -> set[str]:
    """Init containers that keep running (KEP-753)."""
    containers = spec_of(raw).get("initContainers") or ()
    return {each.get("name") for each in containers if each.get("restartPolicy") == "Always"}


def _containers(raw: Raw) -> Sequence[Status]:
    return status_of(raw).get("containerStatuses") or ()


def ready(raw: Raw) -> str:
    """ "1/2": ready containers of all, sidecars included."""
    sidecars = _sidecars(raw)
    inits = [each for each in status_of(raw).get("initContainerStatuses") or () if each.get("name") in sidecars]
    count = sum(1 for each in _containers(raw) if each.get("ready") and _state(each, "running") is not None)
    count += sum(1 for each in inits if each.get("ready"))
    return f"{count}/{len(spec_of(raw).get('containers') or ()) + len(sidecars)}"


def pod_status(raw: Raw) -> str:
    """One word for all: the phase, or what is wrong, or how far its start has come."""
    status = status_of(raw)
    word = status.get("reason") or status.get("phase") or "Unknown"
    scheduled = _condition(raw, "PodScheduled")
    if scheduled.get("reason") == "SchedulingGated":
        word = "SchedulingGated"
    starting = _starting(raw)
    if starting is not None and _condition(raw, "Initialized").get("status") != "True":
        word = starting
    else:
        running = False
        for container in reversed(_containers(raw)):
            waiting, ended = _state(container, "waiting"), _state(container, "terminated")
            if waiting is not None and waiting.get("reason"):
                word = waiting["reason"]
            elif ended is not None:
                word = ended.get("reason") or _exit(ended)
            elif container.get("ready") and _state(container, "running") is not None:
                running = True
        if word == "Completed" and running:
            word = "Running" if _condition(raw, "Ready").get("status") == "True" else "NotReady"
    if "deletionTimestamp" in raw["metadata"]:
        if status.get("reason") == "NodeLost":
            return "Unknown"
        if status.get("phase") not in ("Succeeded", "Failed"):
            return "Terminating"
    return str(word)


def _starting(raw: Raw) -> str | None:
    """The state of the first init container that is not done; None when all are."""
    sidecars = _sidecars(raw)
    for index, container in enumerate(status_of(raw).get("initContainerStatuses") or ()):
        ended, waiting = _state(container, "terminated"), _state(container, "waiting")
        if ended is not None and ended.get("exitCode", 0) == 0:
            continue
        if container.get("name") in sidecars and container.get("started"):
            continue
        if ended is not None:
            return f"Init:{ended.get('reason') or _exit(ended)}"
        if waiting is not None and waiting.get("reason") not in (None, "", "PodInitializing"):
            return f"Init:{waiting['reason']}"
        return f"Init:{index}/{len(spec_of(raw).get('initContainers') or ())}"
    return None


def _exit(ended: Status) -> str:
    return f"Signal:{ended['signal']}" if ended.get("signal") else f"ExitCode:{ended.get('exitCode', 0)}"


def restarts(raw: Raw, now: float) -> str:
    """ "3 (20s ago)" """
    sidecars = _sidecars(raw)
    counted = [*_containers(raw)]
    counted += [each for each in status_of(raw).get("initContainerStatuses") or () if each.get("name") in sidecars]
    count = sum(each.get("restartCount", 0) for each in counted)
    ends = [((each.get("lastState") or {}).get("terminated") or {}).get("finishedAt") for each in counted]
    last = max(filter(None, ends), default=None)
    return f"{count} ({since(last, now)} ago)" if count and last else str(count)


def gates(raw: Raw) -> str:
    wanted = spec_of(raw).get("readinessGates") or ()
    if not wanted:
        return "<none>"
    met = sum(1 for each in wanted if _condition(raw, each.get("conditionType", "")).get("status") == "True")
    return f"{met}/{len(wanted)}"


def _pod_ip(raw: Raw) -> str:
    addresses: Sequence[Mapping[str, str]] = status_of(raw).get("podIPs") or ()
    return str((addresses[0].get("ip") if addresses else status_of(raw).get("podIP")) or NONE)


POD = (
    NAME,
    shown("Ready", ready),
    shown("Status", pod_status),
    Column("Restarts", restarts),
    AGE,
    shown("IP", _pod_ip, wide=True),
    text("Node", "spec", "nodeName", wide=True),
    text("Nominated Node", "status", "nominatedNodeName", wide=True),
    shown("Readiness Gates", gates, wide=True),
)


def _templated(raw: Raw) -> Sequence[Mapping[str, Any]]:
    return ((spec_of(raw).get("template") or {}).get("spec") or {}).get("containers") or ()


OF_TEMPLATE = (
    shown("Containers", lambda raw: ",".join(each.get("name", "") for each in _templated(raw)), wide=True),
    shown("Images", lambda raw: ",".join(each.get("image", "") for each in _templated(raw)), wide=True),
)
"""Of what makes pods from spec.template."""
