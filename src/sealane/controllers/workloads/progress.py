"""The progress of a Deployment: its status and conditions, which `kubectl rollout status` reads.

https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#deployment-status
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sealane.controllers.actions import observed
from sealane.kube.objects import Object, Raw
from sealane.kube.times import seconds, timestamp

DEADLINE_SECONDS = 600


def deployment_status(
    deployment: Object,
    sets: Sequence[Object],
    new: Object | None,
    created: str,
    *,
    wanted: int,
    unavailable: int,
    now: float,
) -> Raw:
    """The status of a Deployment with these ReplicaSets.

    new: the one with its template. created: the name of the one being made now, or "". unavailable: how many pods may
    be missing.
    """
    before = deployment.status
    total = _sum(sets, "replicas")
    available = _sum(sets, "availableReplicas")
    status: Raw = {
        "observedGeneration": observed(deployment),
        "replicas": total or None,
        "updatedReplicas": _sum([new], "replicas") or None if new is not None else None,
        "readyReplicas": _sum(sets, "readyReplicas") or None,
        "availableReplicas": available or None,
        "unavailableReplicas": max(0, sum(int(each.spec.get("replicas", 1)) for each in sets) - available) or None,
    }
    conditions = {each["type"]: each for each in before.get("conditions") or ()}
    enough = available >= wanted - unavailable
    _set(
        conditions,
        now,
        "Available",
        "True" if enough else "False",
        "MinimumReplicasAvailable" if enough else "MinimumReplicasUnavailable",
        f"Deployment {'has' if enough else 'does not have'} minimum availability.",
    )
    _progress(deployment, conditions, status, new, created, wanted, now)
    status["conditions"] = list(conditions.values())
    return status


def deadline(deployment: Object, now: float) -> float | None:
    """Seconds until the rollout counts as stuck; None when it is done, stuck, or has no deadline."""
    limit = deployment.spec.get("progressDeadlineSeconds", DEADLINE_SECONDS)
    progressing = _condition(deployment.status, "Progressing")
    if not progressing or progressing.get("reason") in _FINAL or deployment.spec.get("paused"):
        return None
    return float(max(0.1, seconds(progressing.get("lastUpdateTime")) + limit - now + 1))


def _progress(
    deployment: Object,
    conditions: dict[str, Raw],
    status: Raw,
    new: Object | None,
    created: str,
    wanted: int,
    now: float,
) -> None:
    current = conditions.get("Progressing") or {}
    if deployment.spec.get("paused"):
        if current.get("reason") != "ProgressDeadlineExceeded":
            _set(conditions, now, "Progressing", "Unknown", "DeploymentPaused", "Deployment is paused")
        return
    if current.get("reason") == "DeploymentPaused":
        _set(conditions, now, "Progressing", "Unknown", "DeploymentResumed", "Deployment is resumed")
        return
    if new is None:
        if created:
            message = f'Created new replica set "{created}"'
            _set(conditions, now, "Progressing", "True", "NewReplicaSetCreated", message, renew=True)
        return
    total, updated = status["replicas"] or 0, status["updatedReplicas"] or 0
    before = deployment.status
    if total == updated and current.get("reason") == "NewReplicaSetAvailable":
        return  # done, and what happens to its pods later is no rollout
    if total == updated == wanted == (status["availableReplicas"] or 0):
        message = f'ReplicaSet "{new.name}" has successfully progressed.'
        _set(conditions, now, "Progressing", "True", "NewReplicaSetAvailable", message)
    elif (
        not current
        or updated > before.get("updatedReplicas", 0)
        or total - updated < before.get("replicas", 0) - before.get("updatedReplicas", 0)
        or (status["readyReplicas"] or 0) > before.get("readyReplicas", 0)
        or (status["availableReplicas"] or 0) > before.get("availableReplicas", 0)
    ):
        message = f'ReplicaSet "{new.name}" is progressing.'
        _set(conditions, now, "Progressing", "True", "ReplicaSetUpdated", message, renew=True)
    elif current.get("reason") not in _FINAL:
        limit = deployment.spec.get("progressDeadlineSeconds", DEADLINE_SECONDS)
        if seconds(current.get("lastUpdateTime")) + limit < now:
            message = f'ReplicaSet "{new.name}" has timed out progressing.'
            _set(conditions, now, "Progressing", "False", "ProgressDeadlineExceeded", message)


def _sum(sets: Sequence[Object], field: str) -> int:
    return sum(int(each.status.get(field) or 0) for each in sets)


def _condition(status: Mapping[str, Any], type_: str) -> Mapping[str, Any]:
    return next((each for each in status.get("conditions") or () if each["type"] == type_), {})


def _set(
    conditions: dict[str, Raw],
    now: float,
    type_: str,
    status: str,
    reason: str,
    message: str,
    *,
    renew: bool = False,
) -> None:
    """lastTransitionTime moves with the status only; an unchanged condition stays as it is unless `renew`."""
    current = conditions.get(type_)
    same = current is not None and current.get("status") == status
    if current is not None and same and current.get("reason") == reason and not renew:
        return
    conditions[type_] = {
        "type": type_,
        "status": status,
        "reason": reason,
        "message": message,
        "lastUpdateTime": timestamp(now),
        "lastTransitionTime": current["lastTransitionTime"] if current is not None and same else timestamp(now),
    }


_FINAL = ("NewReplicaSetAvailable", "ProgressDeadlineExceeded")
