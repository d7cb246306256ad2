"""Namespace, Node, ConfigMap, Secret."""

from __future__ import annotations

import msgspec

from sealane.kube.views.base import Condition, ObjectMeta, View, no_labels


class NamespaceSpec(View):
    finalizers: tuple[str, ...] = ()


class NamespaceStatus(View):
    phase: str = ""


class Namespace(View):
    metadata: ObjectMeta = ObjectMeta()
    spec: NamespaceSpec = NamespaceSpec()
    status: NamespaceStatus = NamespaceStatus()


class Taint(View):
    key: str = ""
    value: str = ""
    effect: str = ""


class NodeSpec(View):
    pod_cidr: str = ""
    pod_cidrs: tuple[str, ...] = ()
    provider_id: str = ""
    unschedulable: bool = False
    taints: tuple[Taint, ...] = ()


class NodeAddress(View):
    """type: InternalIP, ExternalIP, Hostname, …"""

    type: str = ""
    address: str = ""


class NodeStatus(View):
    addresses: tuple[NodeAddress, ...] = ()
    conditions: tuple[Condition, ...] = ()
    phase: str = ""
    capacity: dict[str, int | float | str] = msgspec.field(default_factory=dict)
    allocatable: dict[str, int | float | str] = msgspec.field(default_factory=dict)


class Node(View):
    metadata: ObjectMeta = ObjectMeta()
    spec: NodeSpec = NodeSpec()
    status: NodeStatus = NodeStatus()


class ConfigMap(View):
    """binary_data values are base64."""

    metadata: ObjectMeta = ObjectMeta()
    data: dict[str, str] = msgspec.field(default_factory=no_labels)
    binary_data: dict[str, str] = msgspec.field(default_factory=no_labels)
    immutable: bool = False


class Secret(View):
    """data values are base64; string_data is write-only and merged into data by the API."""

    metadata: ObjectMeta = ObjectMeta()
    type: str = "Opaque"
    data: dict[str, str] = msgspec.field(default_factory=no_labels)
    string_data: dict[str, str] = msgspec.field(default_factory=no_labels)
    immutable: bool = False
