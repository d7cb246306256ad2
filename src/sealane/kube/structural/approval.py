"""Groups of Kubernetes' own, in which a CustomResourceDefinition needs an approval that its annotation names.

Source: https://github.com/kubernetes/enhancements/pull/1111, k8s.io/apiextensions-apiserver/pkg/apihelpers
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

APPROVED = "api-approved.kubernetes.io"


def protected(group: str) -> bool:
    return group in ("k8s.io", "kubernetes.io") or group.endswith((".k8s.io", ".kubernetes.io"))


def approval(annotations: Mapping[str, str]) -> tuple[str, str]:
    """("approved", "bypassed", "invalid" or "missing", and the reason in words)."""
    text = annotations.get(APPROVED) or ""
    see = "see https://github.com/kubernetes/enhancements/pull/1111"
    if not text:
        return "missing", f'protected groups must have approval annotation "{APPROVED}", {see}'
    if text.startswith("unapproved"):
        return "bypassed", f'not approved: "{text}"'
    try:
        found = urlsplit(text)
    except ValueError:
        found = urlsplit("")
    if found.scheme and found.netloc:
        return "approved", f"approved in {text}"
    wanted = f'protected groups must have approval annotation "{APPROVED}" with either a URL or a reason starting with'
    return "invalid", f'{wanted} "unapproved", {see}'
