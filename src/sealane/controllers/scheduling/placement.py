"""The nodes that a pod may run on: a pure reading of pod and node, used by the scheduler and by DaemonSets.

https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/ and …/taint-and-toleration/
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sealane.kube.objects import Object

UNSCHEDULABLE = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}


def obstacle(spec: Mapping[str, Any], node: Object) -> str:
    """Why a pod with this spec cannot run on `node`, in the scheduler's words; "" when it can."""
    tolerations = spec.get("tolerations") or ()
    if node.spec.get("unschedulable") and not tolerates(tolerations, UNSCHEDULABLE):
        return "node(s) were unschedulable"
    for taint in node.spec.get("taints") or ():
        if taint.get("effect") in ("NoSchedule", "NoExecute") and not tolerates(tolerations, taint):
            return f"node(s) had untolerated taint {{{taint.get('key')}: {taint.get('value') or ''}}}"
    if not in_affinity(spec, node):
        return "node(s) didn't match Pod's node affinity/selector"
    return ""


def in_affinity(spec: Mapping[str, Any], node: Object) -> bool:
    """nodeSelector and the required node affinity."""
    selector: Mapping[str, str] = spec.get("nodeSelector") or {}
    if any(node.labels.get(key) != value for key, value in selector.items()):
        return False
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    if required is None:
        return True
    return any(_term(term, node) for term in required.get("nodeSelectorTerms") or ())


def tolerates(tolerations: Iterable[Mapping[str, Any]], taint: Mapping[str, Any]) -> bool:
    for toleration in tolerations:
        if toleration.get("effect") and toleration["effect"] != taint.get("effect"):
            continue
        key = toleration.get("key") or ""
        exists = (toleration.get("operator") or "Equal") == "Exists"
        if not key:
            if exists:
                return True
        elif key == taint.get("key") and (exists or (toleration.get("value") or "") == (taint.get("value") or "")):
            return True
    return False


def _term(term: Mapping[str, Any], node: Object) -> bool:
    """All expressions and fields of one nodeSelectorTerm; an empty term matches nothing."""
    expressions: Sequence[Mapping[str, Any]] = term.get("matchExpressions") or ()
    fields: Sequence[Mapping[str, Any]] = term.get("matchFields") or ()
    if not expressions and not fields:
        return False
    names = {"metadata.name": node.name}
    return all(_matches(each, node.labels) for each in expressions) and all(_matches(each, names) for each in fields)


def _matches(requirement: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    value = labels.get(requirement["key"])
    values: Sequence[str] = requirement.get("values") or ()
    match requirement["operator"]:
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "Gt" | "Lt" as operator:
            try:
                difference = int(value or "") - int(values[0])
            except (ValueError, IndexError):
                return False
            return difference > 0 if operator == "Gt" else difference < 0
        case _:
            return False
