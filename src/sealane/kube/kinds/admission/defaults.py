"""Defaults of webhook configurations and of admission policies.

Source: k8s.io/kubernetes/pkg/apis/admissionregistration/v1/defaults.go
"""

from __future__ import annotations

from typing import Any

from sealane.kube.edit import each, filled, inside
from sealane.kube.objects import Raw

_WEBHOOK: dict[str, Any] = {
    "failurePolicy": "Fail",
    "matchPolicy": "Equivalent",
    "namespaceSelector": {},
    "objectSelector": {},
    "timeoutSeconds": 10,
}


def validating_webhooks(raw: Raw) -> Raw:
    return each(raw, "webhooks", lambda hook: _webhook(filled(hook, _WEBHOOK)))


def mutating_webhooks(raw: Raw) -> Raw:
    return each(raw, "webhooks", lambda hook: _webhook(filled(hook, {**_WEBHOOK, "reinvocationPolicy": "Never"})))


def _webhook(hook: Raw) -> Raw:
    hook = each(hook, "rules", lambda rule: filled(rule, {"scope": "*"}))
    return inside(hook, "clientConfig", lambda to: inside(to, "service", lambda found: filled(found, {"port": 443})))


_MATCHES: dict[str, Any] = {"matchPolicy": "Equivalent", "namespaceSelector": {}, "objectSelector": {}}


def _match_resources(found: Raw) -> Raw:
    for field in ("resourceRules", "excludeResourceRules"):
        found = each(found, field, lambda rule: filled(rule, {"scope": "*"}))
    return filled(found, _MATCHES)


def admission_policy(raw: Raw) -> Raw:
    return inside(
        raw, "spec", lambda spec: inside(filled(spec, {"failurePolicy": "Fail"}), "matchConstraints", _match_resources)
    )


def admission_policy_binding(raw: Raw) -> Raw:
    return inside(raw, "spec", lambda spec: inside(spec, "matchResources", _match_resources))
