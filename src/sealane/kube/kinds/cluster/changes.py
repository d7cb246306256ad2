"""Namespaces: what writes their finalizers, and how they end."""

from __future__ import annotations

from sealane.kube.objects import Raw

UNDELETABLE = frozenset({"default", "kube-system", "kube-public"})
"""As upstream's NamespaceLifecycle admission."""


def with_old_spec(new: Raw, old: Raw) -> Raw:
    """Only the subresource finalize writes the spec of a Namespace."""
    return {**new, "spec": old.get("spec") or {}}


def terminating(namespace: Raw) -> Raw:
    return {**namespace, "status": {**(namespace.get("status") or {}), "phase": "Terminating"}}
