"""Defaults of bindings.

Source: k8s.io/kubernetes/pkg/apis/rbac/v1/defaults.go
"""

from __future__ import annotations

from sealane.kube.edit import each, inside
from sealane.kube.objects import Raw

_GROUP = "rbac.authorization.k8s.io"


def role_binding(raw: Raw) -> Raw:
    raw = inside(
        raw, "roleRef", lambda reference: reference if reference.get("apiGroup") else {**reference, "apiGroup": _GROUP}
    )
    return each(raw, "subjects", _subject)


def _subject(subject: Raw) -> Raw:
    if subject.get("apiGroup") or subject.get("kind") not in ("User", "Group"):
        return subject
    return {**subject, "apiGroup": _GROUP}
