"""Nodes: what the agent holds of each, and the Node object it registers as a kubelet does."""

from __future__ import annotations

import asyncio
import contextlib
import platform
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from sealane.dataplane.linux.threads import NamespaceThread
from sealane.dataplane.linux.topology import NodeLinks
from sealane.dataplane.pods.addresses import PodAddresses
from sealane.dataplane.pods.machine import capacity
from sealane.kube.client.protocol import ApiError, Client
from sealane.kube.kinds import LEASE, NODE
from sealane.kube.objects import Raw
from sealane.kube.times import micro_timestamp, timestamp
from sealane.network.addresses import NodePlan

MAX_PODS = PodAddresses.LAST - PodAddresses.FIRST + 1
VERSION = "v1.34.0"
"""The kubelet version a Node claims: that of the API we follow."""


class Node(msgspec.Struct, frozen=True):
    """thread: lives in the node's namespace, where `links` was made."""

    plan: NodePlan
    thread: NamespaceThread
    links: NodeLinks
    addresses: PodAddresses

    @property
    def name(self) -> str:
        return self.plan.name

    @property
    def ips(self) -> tuple[str, ...]:
        return tuple(str(address) for address in self.plan.addresses)


async def open_node(run_dir: Path, plan: NodePlan, thread: NamespaceThread) -> Node:
    links = await thread.run(NodeLinks, run_dir, plan)
    return Node(plan, thread, links, PodAddresses(plan))


LEASE_SECONDS, RENEW_SECONDS = 40, 10
"""How long a node is taken to live without a word, and how often it says that it does, as kubelets do."""
FIRST_SECONDS = 2.0
LEASES = "kube-node-lease"


def lease_object(node: str, uid: str, now: float) -> Raw:
    """The Lease with which a node says that it lives.

    Source: https://kubernetes.io/docs/concepts/architecture/leases/#node-heart-beats
    """
    reference = {"apiVersion": NODE.api_version, "kind": NODE.kind, "name": node, "uid": uid}
    return {
        "apiVersion": LEASE.api_version,
        "kind": LEASE.kind,
        "metadata": {"name": node, "namespace": LEASES, "ownerReferences": [reference]},
        "spec": {"holderIdentity": node, "leaseDurationSeconds": LEASE_SECONDS, "renewTime": micro_timestamp(now)},
    }


async def renew(client: Client, node: str) -> None:
    """Raises ApiError or OSError."""
    now = time.time()
    try:
        await client.patch(LEASE, LEASES, node, {"spec": {"renewTime": micro_timestamp(now)}})
    except ApiError as error:
        if error.code != 404:
            raise
        uid = (await client.get(NODE, "", node)).uid
        await client.create(LEASE, lease_object(node, uid, now))


async def heartbeat(client: Client, nodes: Sequence[str]) -> None:
    """Renews the Leases of the nodes until cancelled. The first one comes when the hurry of a start is over."""
    await asyncio.sleep(FIRST_SECONDS)
    while True:
        for node in nodes:
            with contextlib.suppress(ApiError, OSError):
                await renew(client, node)
        await asyncio.sleep(RENEW_SECONDS)


async def register(client: Client, plan: NodePlan) -> None:
    """Creates the Node object, or takes over the one that is there (its labels and spec stay)."""
    raw = node_object(plan, time.time())
    status = raw.pop("status")
    try:
        await client.create(NODE, raw)
    except ApiError as error:
        if error.reason != "AlreadyExists":
            raise
    await client.patch(NODE, "", plan.name, {"status": status}, subresource="status")


def node_object(plan: NodePlan, now: float) -> Raw:
    """The whole Node. Pure but for the facts of this machine."""
    arch = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    resources = {**capacity(), "pods": str(MAX_PODS)}
    addresses = [{"type": "InternalIP", "address": str(address)} for address in plan.addresses]
    labels = {
        "kubernetes.io/hostname": plan.name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": arch,
        "beta.kubernetes.io/os": "linux",
        "beta.kubernetes.io/arch": arch,
    }
    return {
        "apiVersion": NODE.api_version,
        "kind": NODE.kind,
        "metadata": {"name": plan.name, "labels": labels},
        "spec": {
            "podCIDR": str(plan.pod_cidrs[0]),
            "podCIDRs": [str(cidr) for cidr in plan.pod_cidrs],
        },
        "status": {
            "addresses": [*addresses, {"type": "Hostname", "address": plan.name}],
            "capacity": resources,
            "allocatable": resources,
            "conditions": [
                _condition("MemoryPressure", "False", "KubeletHasSufficientMemory", "memory is sufficient", now),
                _condition("DiskPressure", "False", "KubeletHasNoDiskPressure", "disk is sufficient", now),
                _condition("PIDPressure", "False", "KubeletHasSufficientPID", "process IDs are sufficient", now),
                _condition("Ready", "True", "KubeletReady", "the node agent runs", now),
            ],
            "nodeInfo": {
                "architecture": arch,
                "operatingSystem": "linux",
                "kernelVersion": platform.release(),
                "osImage": _os_name(),
                "kubeletVersion": VERSION,
                "kubeProxyVersion": VERSION,
                "containerRuntimeVersion": "sealane://0.1.0",
                "machineID": f"sealane-{plan.name}",
                "systemUUID": f"sealane-{plan.name}",
                "bootID": f"sealane-{plan.name}",
            },
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
        },
    }


def _condition(kind: str, status: str, reason: str, message: str, now: float) -> Raw:
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "lastHeartbeatTime": timestamp(now),
        "lastTransitionTime": timestamp(now),
    }


def _os_name() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
    except OSError:
        return "Linux"
