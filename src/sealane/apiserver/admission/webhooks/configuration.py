"""The configured webhooks, and those that an attempt concerns. Pure.

Source: admissionregistration.k8s.io/v1 in the API reference; k8s.io/apiserver/pkg/admission/plugin/webhook/predicates
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from sealane.apiserver.admission.attempts import Attempt
from sealane.kube import kinds
from sealane.kube.objects import Raw
from sealane.kube.selectors import LabelSelector

_EVERY = "*"
EXEMPT_GROUP = "admissionregistration.k8s.io"
"""Whose configurations no webhook is asked about: else a broken one could not be removed."""


class Rule(msgspec.Struct, frozen=True):
    """One RuleWithOperations. resources: pairs of resource and subresource ("" for none)."""

    operations: frozenset[str]
    groups: frozenset[str]
    versions: frozenset[str]
    resources: tuple[tuple[str, str], ...]
    scope: str

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> Rule:
        split = (str(each).partition("/") for each in raw.get("resources") or ())
        return cls(
            frozenset(raw.get("operations") or ()),
            frozenset(raw.get("apiGroups") or ()),
            frozenset(raw.get("apiVersions") or ()),
            tuple((resource, subresource) for resource, _, subresource in split),
            str(raw.get("scope") or _EVERY),
        )

    def matches(self, attempt: Attempt, *, any_version: bool) -> bool:
        """any_version: also when the rule names another version of the same resource (matchPolicy Equivalent)."""
        kind = attempt.served.kind
        return (
            _in(attempt.operation, self.operations)
            and _in(kind.group, self.groups)
            and (any_version or _in(kind.version, self.versions))
            and any(
                resource in (_EVERY, kind.plural) and subresource in (_EVERY, attempt.subresource)
                for resource, subresource in self.resources
            )
            and (self.scope == _EVERY or (self.scope == "Namespaced") is kind.namespaced)
        )


def _in(value: str, allowed: frozenset[str]) -> bool:
    return _EVERY in allowed or value in allowed


class Service(msgspec.Struct, frozen=True):
    namespace: str
    name: str
    port: int = 443
    path: str = ""


class Hook(msgspec.Struct, frozen=True):
    """One webhook of a configuration. target: a Service, or an URL. ca: base64 of PEM, "" for the system's.

    reviews: the versions of AdmissionReview that it understands. conditions: names and CEL expressions.
    """

    configuration: str
    name: str
    mutating: bool
    rules: tuple[Rule, ...]
    namespaces: LabelSelector
    objects: LabelSelector
    target: Service | str
    ca: str = ""
    conditions: tuple[tuple[str, str], ...] = ()
    fails_open: bool = False
    equivalent: bool = True
    dry_runs: bool = True
    seconds: int = 10
    reinvocable: bool = False
    reviews: tuple[str, ...] = ("v1",)

    @classmethod
    def of(cls, configuration: str, mutating: bool, raw: Mapping[str, Any]) -> Hook:
        client = raw.get("clientConfig") or {}
        service = client.get("service")
        return cls(
            configuration,
            str(raw.get("name") or ""),
            mutating,
            tuple(map(Rule.of, raw.get("rules") or ())),
            LabelSelector.of(raw.get("namespaceSelector") or {}),
            LabelSelector.of(raw.get("objectSelector") or {}),
            _service(service) if service else str(client.get("url") or ""),
            str(client.get("caBundle") or ""),
            tuple((str(each.get("name")), str(each.get("expression"))) for each in raw.get("matchConditions") or ()),
            raw.get("failurePolicy") == "Ignore",
            raw.get("matchPolicy") != "Exact",
            raw.get("sideEffects") in ("None", "NoneOnDryRun"),
            int(raw.get("timeoutSeconds") or 10),
            raw.get("reinvocationPolicy") == "IfNeeded",
            tuple(raw.get("admissionReviewVersions") or ()),
        )

    def concerns(self, attempt: Attempt, namespace_labels: Mapping[str, str]) -> bool:
        """namespace_labels: of the namespace that the object is in; conditions are not judged here."""
        if not any(rule.matches(attempt, any_version=self.equivalent) for rule in self.rules):
            return False
        kind = attempt.served.kind
        if kind == kinds.NAMESPACE:  # selected by its own labels
            namespace_labels = _labels(attempt.object)
        elif not kind.namespaced:
            return self._selects(attempt)
        return self.namespaces.matches(namespace_labels) and self._selects(attempt)

    def _selects(self, attempt: Attempt) -> bool:
        """The old or the new state has the labels."""
        found = [_labels(raw) for raw in (attempt.new, attempt.old) if raw is not None]
        return any(self.objects.matches(labels) for labels in found)


def _service(raw: Mapping[str, Any]) -> Service:
    return Service(
        str(raw.get("namespace") or ""), str(raw.get("name") or ""), int(raw.get("port") or 443), raw.get("path") or ""
    )


def _labels(raw: Raw) -> Mapping[str, str]:
    return (raw.get("metadata") or {}).get("labels") or {}


def hooks(mutating: bool, configurations: Sequence[Raw]) -> list[Hook]:
    """Of all configurations of one kind, in the order in which they are asked."""
    ordered = sorted(configurations, key=lambda raw: str(raw["metadata"]["name"]))
    return [
        Hook.of(str(raw["metadata"]["name"]), mutating, each) for raw in ordered for each in raw.get("webhooks") or ()
    ]
