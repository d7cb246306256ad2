"""RBAC's rules: does a rule allow an action, do rules cover other rules. Pure.

Sources: https://kubernetes.io/docs/reference/access-authn-authz/rbac/, k8s.io/kubernetes/pkg/apis/rbac/v1 (evaluation)
and k8s.io/component-helpers/auth/rbac/validation (Covers)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any

import msgspec

from sealane.apiserver.access.action import Action
from sealane.kube.objects import Raw

EVERY = "*"


class Rule(msgspec.Struct, frozen=True):
    """One PolicyRule of a role."""

    verbs: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> Rule:
        return cls(*(tuple(raw.get(field) or ()) for field in _FIELDS.values()))

    def raw(self) -> Raw:
        return {name: list(values) for field, name in _FIELDS.items() if (values := getattr(self, field))}

    def __str__(self) -> str:
        """As in the refusal of an escalation: {APIGroups:[""], Resources:["pods"], Verbs:["get" "list"]}."""
        shown = (
            ("APIGroups", self.groups),
            ("Resources", self.resources),
            ("NonResourceURLs", self.urls),
            ("ResourceNames", self.names),
            ("Verbs", self.verbs),
        )
        parts = (f"{name}:[{' '.join(_quoted(each) for each in values)}]" for name, values in shown if values)
        return f"{{{', '.join(parts)}}}"


_FIELDS = {
    "verbs": "verbs",
    "groups": "apiGroups",
    "resources": "resources",
    "names": "resourceNames",
    "urls": "nonResourceURLs",
}


def allows(rule: Rule, action: Action) -> bool:
    if EVERY not in rule.verbs and action.verb not in rule.verbs:
        return False
    if action.path:
        return any(_url_matches(url, action.path) for url in rule.urls)
    return (
        (EVERY in rule.groups or action.group in rule.groups)
        and _resource_matches(rule.resources, action.full_resource, action.subresource)
        and (not rule.names or action.name in rule.names)
    )


def uncovered(owned: Iterable[Rule], wanted: Iterable[Rule]) -> list[Rule]:
    """What `wanted` would allow and `owned` does not, as rules of one resource or path each; [] when all is covered."""
    owned = list(owned)
    missing = [one for rule in wanted for one in _simple(rule) if not any(_covers(own, one) for own in owned)]
    return _compacted(missing)


def _simple(rule: Rule) -> Iterator[Rule]:
    """`rule` as rules of one verb, group, resource and name each."""
    for group, resource, verb in product(rule.groups, rule.resources, rule.verbs):
        if rule.names:
            yield from (Rule((verb,), (group,), (resource,), (name,)) for name in rule.names)
        else:
            yield Rule((verb,), (group,), (resource,))
    yield from (Rule((verb,), urls=(url,)) for url, verb in product(rule.urls, rule.verbs))


def _covers(own: Rule, one: Rule) -> bool:
    """one: as `_simple` yields."""
    if EVERY not in own.verbs and one.verbs[0] not in own.verbs:
        return False
    if one.urls:
        return any(_url_covers(url, one.urls[0]) for url in own.urls)
    subresource = one.resources[0].partition("/")[2]
    return (
        (EVERY in own.groups or one.groups[0] in own.groups)
        and _resource_matches(own.resources, one.resources[0], subresource)
        and (not own.names or (bool(one.names) and one.names[0] in own.names))
    )


def _compacted(rules: Sequence[Rule]) -> list[Rule]:
    """Rules of one resource that differ in nothing but the verb become one."""
    found: dict[tuple[tuple[str, ...], ...], list[str]] = {}
    paths = [rule for rule in rules if rule.urls]
    for rule in rules:
        if rule.urls:
            continue
        verbs = found.setdefault((rule.groups, rule.resources, rule.names, rule.urls), [])
        verbs += [verb for verb in rule.verbs if verb not in verbs]
    return [Rule(tuple(verbs), *key) for key, verbs in sorted(found.items())] + paths


def _resource_matches(resources: Sequence[str], full: str, subresource: str) -> bool:
    return full in resources or EVERY in resources or (bool(subresource) and f"*/{subresource}" in resources)


def _url_matches(pattern: str, path: str) -> bool:
    if pattern in (EVERY, path):
        return True
    return pattern.endswith(EVERY) and path.startswith(pattern.rstrip(EVERY))


def _url_covers(own: str, wanted: str) -> bool:
    if own in (EVERY, wanted):
        return True
    return own.endswith(EVERY) and wanted.startswith(own.rstrip(EVERY))


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
