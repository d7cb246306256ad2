"""Columns of `kubectl get` for nodes, namespaces and leases.

Source: k8s.io/kubernetes/pkg/printers/internalversion/printers.go
"""

from __future__ import annotations

from collections.abc import Callable

from sealane.kube.kinds.column import AGE, NAME, NONE, condition, shown, spec_of, status_of, text
from sealane.kube.objects import Raw


def _node_status(raw: Raw) -> str:
    status = {"True": "Ready", "": "Unknown"}.get(condition(raw, "Ready"), "NotReady")
    return status + (",SchedulingDisabled" if spec_of(raw).get("unschedulable") else "")


def _node_roles(raw: Raw) -> str:
    prefix = "node-role.kubernetes.io/"
    labels = raw["metadata"].get("labels") or {}
    roles = {key.removeprefix(prefix) for key in labels if key.startswith(prefix)}
    if labels.get("kubernetes.io/role"):
        roles.add(labels["kubernetes.io/role"])
    return ",".join(sorted(filter(None, roles))) or NONE


def _node_address(type_: str) -> Callable[[Raw], str]:
    def show(raw: Raw) -> str:
        addresses = status_of(raw).get("addresses") or ()
        return next((each["address"] for each in addresses if each.get("type") == type_), NONE)

    return show


NAMESPACE = (NAME, text("Status", "status", "phase", absent=""), AGE)
NODE = (
    NAME,
    shown("Status", _node_status),
    shown("Roles", _node_roles),
    AGE,
    text("Version", "status", "nodeInfo", "kubeletVersion", absent=""),
    shown("Internal-IP", _node_address("InternalIP"), wide=True),
    shown("External-IP", _node_address("ExternalIP"), wide=True),
    text("OS-Image", "status", "nodeInfo", "osImage", wide=True, absent="<unknown>"),
    text("Kernel-Version", "status", "nodeInfo", "kernelVersion", wide=True, absent="<unknown>"),
    text("Container-Runtime", "status", "nodeInfo", "containerRuntimeVersion", wide=True, absent="<unknown>"),
)
LEASE = (NAME, text("Holder", "spec", "holderIdentity", absent=""), AGE)
