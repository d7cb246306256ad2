"""Ranges of Service addresses and the objects that stand for them: ServiceCIDR, IPAddress (networking.k8s.io/v1).

Every address that a Service holds has an IPAddress of that name, from the same commit. A ServiceCIDR adds a range;
one that is being deleted gives out nothing more and goes when no address needs it. Sources: KEP-1880,
https://kubernetes.io/docs/tasks/network/extend-service-ip-ranges/ and pkg/controller/servicecidrs of Kubernetes.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_network

from sealane.apiserver.objects.states import born, new_metadata
from sealane.apiserver.registry.resources import Served
from sealane.apiserver.storage.backends import Address, Resource
from sealane.apiserver.storage.store import Store
from sealane.kube import kinds
from sealane.kube.objects import Object, Raw
from sealane.network.addresses import SERVICES, IPNetwork

CIDRS: Resource = (kinds.SERVICECIDR.group, kinds.SERVICECIDR.plural)
ADDRESSES: Resource = (kinds.IPADDRESS.group, kinds.IPADDRESS.plural)
DEFAULT = "kubernetes"
"""The ServiceCIDR that every cluster has."""
_SERVED = Served(kinds.IPADDRESS, kinds.IPADDRESS)
IN_USE = "There are still IPAddresses referencing the ServiceCIDR, please remove them or create a new ServiceCIDR"


def default_cidr() -> Raw:
    return {
        "apiVersion": kinds.SERVICECIDR.api_version,
        "kind": kinds.SERVICECIDR.kind,
        "metadata": {"name": DEFAULT},
        "spec": {"cidrs": [str(network) for network in SERVICES]},
    }


def ip_object(address: str, namespace: str, service: str) -> Raw:
    """The IPAddress of an address that a Service holds."""
    return {
        "apiVersion": kinds.IPADDRESS.api_version,
        "kind": kinds.IPADDRESS.kind,
        "metadata": {
            "name": address,
            "labels": {
                "ipaddress.kubernetes.io/ip-family": "IPv6" if ":" in address else "IPv4",
                "ipaddress.kubernetes.io/managed-by": "ipallocator.k8s.io",
            },
        },
        "spec": {"parentRef": {"group": "", "resource": "services", "namespace": namespace, "name": service}},
    }


def networks(cidr: Object) -> list[IPNetwork]:
    return [ip_network(text) for text in cidr.spec.get("cidrs") or ()]


def usable(store: Store, but: str = "") -> list[IPNetwork]:
    """The ranges to allocate from, those of the default first. but: a ServiceCIDR to leave out of account."""
    found = sorted((stored.object for stored in store.items(CIDRS)), key=lambda each: (each.name != DEFAULT, each.name))
    if not found:
        return list(SERVICES)
    return [network for each in found if not each.deleting and each.name != but for network in networks(each)]


def record(store: Store, before: Iterable[str], after: Iterable[str], owner: tuple[str, str]) -> None:
    """Puts the IPAddresses of a Service into the commit that is being prepared."""
    old, new = set(before), set(after)
    for name in sorted(old - new):
        stored = store.head(ADDRESSES, "", name)
        if stored is not None and parent(stored.object) == owner:
            store.enqueue(Address(ADDRESSES, "", name), store.stamped(stored.object.raw), True)
    for name in sorted(new):
        if store.head(ADDRESSES, "", name) is None:
            raw = ip_object(name, *owner)
            store.enqueue(Address(ADDRESSES, "", name), store.stamped(born(_SERVED, raw, new_metadata(raw))))


def parent(address: Object) -> tuple[str, str]:
    """Namespace and name of the Service that an IPAddress stands for; empty when it stands for something else."""
    reference = address.spec.get("parentRef") or {}
    if (reference.get("group") or "", reference.get("resource")) != ("", "services"):
        return "", ""
    return reference.get("namespace") or "", reference.get("name") or ""
