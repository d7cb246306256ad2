"""Defaults of Namespaces.

Source: SetDefaults_Namespace of k8s.io/kubernetes/pkg/apis/core/v1/defaults.go
"""

from __future__ import annotations

from sealane.kube.edit import filled, inside
from sealane.kube.objects import Raw


def namespace(raw: Raw) -> Raw:
    metadata = raw.get("metadata") or {}
    name = metadata.get("name")
    if name:
        labels = {**(metadata.get("labels") or {}), "kubernetes.io/metadata.name": name}
        raw = {**raw, "metadata": {**metadata, "labels": labels}}
    raw = filled(raw, {"spec": {}, "status": {}})
    raw = inside(raw, "spec", lambda spec: filled(spec, {"finalizers": ["kubernetes"]}))
    return inside(raw, "status", lambda status: filled(status, {"phase": "Active"}))
