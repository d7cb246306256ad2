"""Policies and bindings, read once, and which attempts they are about. Pure.

Source: admissionregistration.k8s.io/v1 in the API reference
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from sealane.apiserver.admission.attempts import Attempt
from sealane.apiserver.admission.webhooks.configuration import Rule
from sealane.kube import kinds
from sealane.kube.objects import Raw
from sealane.kube.selectors import LabelSelector


class Named(msgspec.Struct, frozen=True):
    """A rule and the names of objects that it is about; () for all."""

    rule: Rule
    names: frozenset[str]

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> Named:
        return cls(Rule.of(raw), frozenset(raw.get("resourceNames") or ()))

    def matches(self, attempt: Attempt, any_version: bool) -> bool:
        if self.names and attempt.name not in self.names:
            return False
        return self.rule.matches(attempt, any_version=any_version)


class Matcher(msgspec.Struct, frozen=True):
    """MatchResources. rules None: whatever the policy is about."""

    rules: tuple[Named, ...] | None
    excluded: tuple[Named, ...]
    namespaces: LabelSelector
    objects: LabelSelector
    equivalent: bool

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> Matcher:
        rules = raw.get("resourceRules")
        return cls(
            tuple(map(Named.of, rules)) if rules else None,
            tuple(map(Named.of, raw.get("excludeResourceRules") or ())),
            LabelSelector.of(raw.get("namespaceSelector") or {}),
            LabelSelector.of(raw.get("objectSelector") or {}),
            raw.get("matchPolicy") != "Exact",
        )

    def matches(self, attempt: Attempt, namespace: Raw | None) -> bool:
        """namespace: the one that the object is in, if there is any."""
        if self.rules is not None and not any(rule.matches(attempt, self.equivalent) for rule in self.rules):
            return False
        if any(rule.matches(attempt, self.equivalent) for rule in self.excluded):
            return False
        kind = attempt.served.kind
        if kind == kinds.NAMESPACE or kind.namespaced:  # a Namespace is selected by its own labels
            around = attempt.object if kind == kinds.NAMESPACE else namespace
            if not self.namespaces.matches(_labels(around)):
                return False
        return any(self.objects.matches(_labels(raw)) for raw in (attempt.new, attempt.old) if raw is not None)


def _labels(raw: Raw | None) -> Mapping[str, str]:
    return ((raw or {}).get("metadata") or {}).get("labels") or {}


class Validation(msgspec.Struct, frozen=True):
    expression: str
    message: str
    message_expression: str
    reason: str


class Policy(msgspec.Struct, frozen=True):
    """conditions and variables: names and expressions. param_kind: apiVersion and kind of what bindings may give."""

    name: str
    matcher: Matcher
    conditions: tuple[tuple[str, str], ...]
    variables: tuple[tuple[str, str], ...]
    validations: tuple[Validation, ...]
    param_kind: tuple[str, str] | None
    fails_open: bool

    @classmethod
    def of(cls, raw: Raw) -> Policy:
        spec = raw.get("spec") or {}
        param = spec.get("paramKind")
        return cls(
            str(raw["metadata"]["name"]),
            Matcher.of(spec.get("matchConstraints") or {}),
            _named(spec.get("matchConditions")),
            _named(spec.get("variables")),
            tuple(
                Validation(
                    str(each.get("expression") or ""),
                    str(each.get("message") or ""),
                    str(each.get("messageExpression") or ""),
                    str(each.get("reason") or "Invalid"),
                )
                for each in spec.get("validations") or ()
            ),
            (str(param.get("apiVersion")), str(param.get("kind"))) if param else None,
            spec.get("failurePolicy") == "Ignore",
        )


def _named(raws: Any) -> tuple[tuple[str, str], ...]:
    return tuple((str(each.get("name") or ""), str(each.get("expression") or "")) for each in raws or ())


class Binding(msgspec.Struct, frozen=True):
    """matcher None: everything that the policy is about. actions: of Deny, Warn, Audit."""

    name: str
    policy: str
    actions: tuple[str, ...]
    matcher: Matcher | None
    param: Mapping[str, Any] | None

    @classmethod
    def of(cls, raw: Raw) -> Binding:
        spec = raw.get("spec") or {}
        matches = spec.get("matchResources")
        return cls(
            str(raw["metadata"]["name"]),
            str(spec.get("policyName") or ""),
            tuple(spec.get("validationActions") or ()),
            Matcher.of(matches) if matches else None,
            spec.get("paramRef"),
        )
