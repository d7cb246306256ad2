"""Webhook configurations: what the API takes, and what it says of the rest."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from sealane.kube.kinds.validation import validate
from sealane.kube.objects import Raw

HOOK: Raw = {
    "name": "guard.example.com",
    "clientConfig": {"service": {"namespace": "n", "name": "s", "path": "/p"}},
    "rules": [{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}],
    "sideEffects": "None",
    "admissionReviewVersions": ["v1"],
}


def said(path: tuple[Any, ...], value: Any) -> list[str]:
    """What is wrong when `value` (None: nothing) stands at `path` of an otherwise good webhook."""
    hook = copy.deepcopy(HOOK)
    found: Any = hook
    for part in path[:-1]:
        found = found[part]
    if value is None:
        del found[path[-1]]
    else:
        found[path[-1]] = value
    raw = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "c"},
        "webhooks": [hook],
    }
    return [str(problem) for problem in validate(raw)]


def test_a_good_one() -> None:
    assert said(("timeoutSeconds",), 30) == []
    assert said(("clientConfig",), {"url": "https://127.0.0.1:8443/x"}) == []


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        (
            ("name",),
            "guard",
            'webhooks[0].name: Invalid value: "guard": should be a domain with at least three segments separated by '
            "dots",
        ),
        (("sideEffects",), None, "webhooks[0].sideEffects: Required value"),
        (
            ("sideEffects",),
            "Some",
            'webhooks[0].sideEffects: Unsupported value: "Some": supported values: "None", "NoneOnDryRun"',
        ),
        (
            ("timeoutSeconds",),
            31,
            "webhooks[0].timeoutSeconds: Invalid value: 31: the timeout value must be between 1 and 30 seconds",
        ),
        (
            ("clientConfig",),
            {},
            "webhooks[0].clientConfig: Required value: exactly one of url or service is required",
        ),
        (
            ("clientConfig",),
            {"url": "http://x.example.com"},
            "webhooks[0].clientConfig.url: Invalid value: \"http\": 'https' is the only allowed URL scheme; desired "
            "format: https://host[/path]",
        ),
        (
            ("clientConfig", "service", "path"),
            "p",
            "webhooks[0].clientConfig.service.path: Invalid value: \"p\": must start with a '/'",
        ),
        (
            ("rules", 0, "operations"),
            ["*", "CREATE"],
            'webhooks[0].rules[0].operations: Invalid value: ["*","CREATE"]: if \'*\' is present, must not specify '
            "other operations",
        ),
        (
            ("admissionReviewVersions",),
            ["v2"],
            'webhooks[0].admissionReviewVersions: Invalid value: ["v2"]: must include at least one of v1, v1beta1',
        ),
    ],
)
def test_what_is_wrong_is_said(path: tuple[Any, ...], value: Any, problem: str) -> None:
    assert problem in said(path, value)
