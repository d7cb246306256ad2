"""What objects use of a namespace's quotas. Pure.

Source: https://kubernetes.io/docs/concepts/policy/resource-quotas/ and k8s.io/kubernetes/pkg/quota/v1/evaluator/core
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from sealane.apiserver.admission.plugins.limit_ranger import pod_amounts
from sealane.apiserver.storage.backends import Resource
from sealane.kube.objects import Raw
from sealane.kube.quantities import thousandths

Usage = dict[str, int]
"""Thousandths by the name that a quota has for it."""

_ONE = 1000
_NAMED = {
    ("", "configmaps"): "configmaps",
    ("", "persistentvolumeclaims"): "persistentvolumeclaims",
    ("", "pods"): "pods",
    ("", "resourcequotas"): "resourcequotas",
    ("", "secrets"): "secrets",
    ("", "services"): "services",
}
_BARE = ("cpu", "memory", "ephemeral-storage")
"""Names that mean requests."""


def count_name(resource: Resource) -> str:
    """ "count/deployments.apps": what counts objects of any kind."""
    return f"count/{resource[1]}.{resource[0]}" if resource[0] else f"count/{resource[1]}"


def resources_of(name: str) -> Resource:
    """Which resource has objects that use `name` of a quota."""
    if name.startswith("count/"):
        plural, _, group = name.removeprefix("count/").partition(".")
        return (group, plural)
    if name.startswith("services"):
        return ("", "services")
    if name == "requests.storage" or ".storageclass.storage.k8s.io/" in name:
        return ("", "persistentvolumeclaims")
    return ("", name) if ("", name) in _NAMED else ("", "pods")


def usage(resource: Resource, raw: Raw) -> Usage:
    """Of one object."""
    found: Usage = {count_name(resource): _ONE}
    if resource in _NAMED and resource != ("", "pods"):
        found[_NAMED[resource]] = _ONE
    if resource == ("", "pods"):
        if (raw.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
            return found
        found["pods"] = _ONE
        for part in ("requests", "limits"):
            for name, amount in pod_amounts(raw.get("spec") or {}, part).items():
                found[f"{part}.{name}"] = thousandths(amount)
                if part == "requests" and name in _BARE:
                    found[name] = thousandths(amount)
    elif resource == ("", "services"):
        spec = raw.get("spec") or {}
        if spec.get("type") == "LoadBalancer":
            found["services.loadbalancers"] = _ONE
        ports = sum(1 for port in spec.get("ports") or () if port.get("nodePort"))
        if spec.get("type") in ("NodePort", "LoadBalancer") and ports:
            found["services.nodeports"] = ports * _ONE
    elif resource == ("", "persistentvolumeclaims"):
        spec = raw.get("spec") or {}
        asked = ((spec.get("resources") or {}).get("requests") or {}).get("storage")
        if asked:
            found["requests.storage"] = thousandths(str(asked))
    return found


def missing(hard: Iterable[str], raw: Raw) -> list[str]:
    """Names of what a pod has to say because a quota bounds it: "limits.cpu for: c", one for each name."""
    said = []
    for name in sorted(hard):
        part, _, resource = (
            name.rpartition(".") if name.startswith(("requests.", "limits.")) else ("requests", "", name)
        )
        if resource not in _BARE:
            continue
        containers = [
            str(each.get("name"))
            for field in ("containers", "initContainers")
            for each in (raw.get("spec") or {}).get(field) or ()
            if resource not in ((each.get("resources") or {}).get(part) or {})
        ]
        if containers:
            said.append(f"{name} for: {','.join(containers)}")
    return said


def _terminating(raw: Raw) -> bool:
    return (raw.get("spec") or {}).get("activeDeadlineSeconds") is not None


def _best_effort(raw: Raw) -> bool:
    return not (pod_amounts(raw.get("spec") or {}, "requests") or pod_amounts(raw.get("spec") or {}, "limits"))


_SCOPES: Mapping[str, Callable[[Raw], bool]] = {
    "Terminating": _terminating,
    "NotTerminating": lambda raw: not _terminating(raw),
    "BestEffort": _best_effort,
    "NotBestEffort": lambda raw: not _best_effort(raw),
}


def in_scope(spec: Mapping[str, Any], resource: Resource, raw: Raw) -> bool:
    """Whether a quota of this spec counts the object; only pods have scopes."""
    scopes = [str(each) for each in spec.get("scopes") or ()]
    wanted = [_requirement(each) for each in (spec.get("scopeSelector") or {}).get("matchExpressions") or ()]
    if not scopes and not wanted:
        return True
    if resource != ("", "pods"):
        return False
    return all(_SCOPES[each](raw) for each in scopes if each in _SCOPES) and all(each(raw) for each in wanted)


def _requirement(raw: Mapping[str, Any]) -> Callable[[Raw], bool]:
    name, operator, values = str(raw.get("scopeName")), raw.get("operator"), raw.get("values") or ()
    if name in _SCOPES:
        return _SCOPES[name]

    def has_class(pod: Raw) -> bool:
        found = (pod.get("spec") or {}).get("priorityClassName") or ""
        return {
            "In": found in values,
            "NotIn": found not in values,
            "Exists": bool(found),
            "DoesNotExist": not found,
        }.get(str(operator), False)

    return has_class if name == "PriorityClass" else lambda _pod: False
