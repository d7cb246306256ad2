"""Quota usage: how much of a namespace's quotas its objects use. Pure.

Source: https://kubernetes.io/docs/concepts/policy/resource-quotas/ and k8s.io/kubernetes/pkg/quota/v1/evaluator/core
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any

from sealane.apiserver.storage.backends import Resource
from sealane.kube.kinds.definition import Usage
from sealane.kube.kinds.pods.usage import BARE, pod_amounts
from sealane.kube.kinds.table import every
from sealane.kube.objects import Raw

Amounts = dict[str, int]
"""Thousandths by the name that a quota has for it."""

_ONE = 1000


def count_name(resource: Resource) -> str:
    """ "count/deployments.apps": what counts objects of any kind."""
    return f"count/{resource[1]}.{resource[0]}" if resource[0] else f"count/{resource[1]}"


@cache
def _usages() -> Mapping[Resource, Usage]:
    return {(row.kind.group, row.kind.plural): row.usage for row in every() if row.usage is not None}


def resource_of(name: str) -> Resource | None:
    """Which resource has objects that use `name` of a quota."""
    if name.startswith("count/"):
        plural, _, group = name.removeprefix("count/").partition(".")
        return (group, plural)
    named = (resource for resource, usage in _usages().items() if usage.name == name)
    owners = (resource for resource, usage in _usages().items() if usage.owns(name))
    return next(named, None) or next(owners, None)


def usage(resource: Resource, raw: Raw) -> Amounts:
    """Of one object."""
    found, own = {count_name(resource): _ONE}, _usages().get(resource)
    if own is None:
        return found
    return {**found, **(own.amounts(raw) if own.amounts is not None else {own.name: _ONE})}


def missing(hard: Iterable[str], raw: Raw) -> list[str]:
    """Names of what a pod has to say because a quota bounds it: "limits.cpu for: c", one for each name."""
    said = []
    for name in sorted(hard):
        part, _, resource = (
            name.rpartition(".") if name.startswith(("requests.", "limits.")) else ("requests", "", name)
        )
        if resource not in BARE:
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
