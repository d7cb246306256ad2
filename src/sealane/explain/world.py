"""All models of one cluster side by side, and the way back from a model value to a line of YAML."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, ip_network

from sealane.kube import kinds
from sealane.kube.kinds import Kind
from sealane.kube.objects import Key, Object, Origin
from sealane.network.addresses import OUTSIDE, family
from sealane.network.model import Network
from sealane.network.names import Zone
from sealane.network.names.records import zone_apex
from sealane.network.pods import own_addresses
from sealane.network.policies import DomainPeer, Policies
from sealane.network.policies.foreign import is_foreign
from sealane.network.policies.nearest import Known
from sealane.network.provenance import FieldPath, Provenance
from sealane.network.routes.routing import Routing
from sealane.network.services import ServiceModel, has_node_ports
from sealane.network.services.node_ports import CONFIGURED_BY
from sealane.reactive.collections import Collection

OriginOf = Callable[[Key], Origin | None]


class World:
    """The cluster that `objects` describe, seen through the same models that program the data plane.

    origin_of: where an object came from, for objects that do not say so themselves (those of a running cluster).
    """

    def __init__(self, objects: Iterable[Object], origin_of: OriginOf | None = None) -> None:
        self.objects = {item.key: item for item in objects}
        self._origin_of = origin_of
        network = self.network = Network.of(self.objects.values())
        self.pods: Collection[Key, Object] = network.objects[kinds.POD]
        self.nodes: Collection[Key, Object] = network.objects[kinds.NODE]
        self.services: Collection[Key, ServiceModel] = network.services
        self.policies: Policies = network.policies
        self.labels = Known(self.policies, self.namespace_labels)
        self.node_ports = network.node_ports.get(CONFIGURED_BY) or ()
        self.routing: Routing = network.routes
        self.zone = Zone()
        dns = self.services.get(Key("", "Service", "kube-system", "kube-dns"))
        addresses = [frontend.address for port in dns.ports for frontend in port.frontends] if dns else []
        self.zone.change(None, zone_apex(dict.fromkeys(addresses)))
        for names in network.names.of():
            for data in names.values():
                self.zone.change(None, data)
        self._by_address = {
            address: pod.key
            for pod in sorted(self.pods.values(), key=lambda pod: pod.key)
            for address in own_addresses(pod)
        }
        self._node_by_address: dict[str, str] = {
            entry["address"]: node.name
            for node in self.nodes.values()
            for entry in node.status.get("addresses") or ()
            if entry.get("type") == "InternalIP"
        }
        self._node_by_pod_side = {
            side: node.name
            for node in self.nodes.values()
            for side in (self.pod_side(node.name, version) for version in (4, 6))
        }

    def of(self, objects: Iterable[Object]) -> World:
        """The same cluster with other objects."""
        return World(objects, self._origin_of)

    def namespace_labels(self, name: str) -> Mapping[str, str]:
        found = self.network.objects[kinds.NAMESPACE].get(Key("", "Namespace", "", name))
        return found.labels if found is not None else {}

    def pod_at(self, address: str) -> Object | None:
        key = self._by_address.get(address)
        return self.pods.get(key) if key is not None else None

    def node_at(self, address: str) -> str:
        """The node that holds this address, or ""."""
        return self._node_by_address.get(address) or self._node_by_pod_side.get(address, "")

    def node_address(self, node: str, version: int = 4) -> str:
        """The node's own address of that family, or ""."""
        for address, name in self._node_by_address.items():
            if name == node and family(address) == version:
                return address
        return ""

    def pod_side(self, node: str, version: int = 4) -> str:
        """The node's own address in the range of its pods (the first of it), or ""."""
        found = self.nodes.get(Key("", "Node", "", node))
        ranges = map(ip_network, found.spec.get("podCIDRs") or ()) if found is not None else ()
        return next((str(each[1]) for each in ranges if each.version == version), "")

    def has_node_ports(self, address: str, node: str) -> bool:
        """Does a node answer NodePorts at this address of its own?"""
        primary = [own for own in (self.node_address(node, version) for version in (4, 6)) if own]
        return has_node_ports(address, primary, self.node_ports)

    def zone_of(self, node: str) -> str:
        found = self.nodes.get(Key("", "Node", "", node))
        return str(found.labels.get("topology.kubernetes.io/zone", "")) if found else ""

    def at(self, cause: Provenance | None) -> str:
        """ "file:line" of what decided; the object and its field when no file is known."""
        if cause is None:
            return ""
        origin = self._origin(cause.key)
        if origin is not None and origin.file:
            return origin.at(*cause.path)
        owner = self.owner(cause.key)
        if owner is not None:
            origin = self._origin(owner)
            path = ("spec", "template", *cause.path) if cause.key.kind == "Pod" else ()
            return origin.at(*path) if origin is not None and origin.file else str(Provenance(owner, path))
        return str(cause)

    def where(self, key: Key, *path: str | int) -> str:
        """Like `at`, for an object's field."""
        return self.at(Provenance(key, path))

    def _origin(self, key: Key) -> Origin | None:
        item = self.objects.get(key)
        if item is not None and item.origin is not None and item.origin.file:
            return item.origin
        return self._origin_of(key) if self._origin_of is not None else None

    def owner(self, key: Key) -> Key | None:
        """The object in a manifest that this one was made for: the last of its controllers."""
        item = self.objects.get(key)
        owner: Key | None = None
        while item is not None:
            references = item.metadata.get("ownerReferences") or ()
            if not references:
                break
            group = str(references[0].get("apiVersion", "")).rpartition("/")[0]
            owner = Key(group, references[0]["kind"], key.namespace, references[0]["name"])
            item = self.objects.get(owner)
        return owner


OWNERS = (kinds.DEPLOYMENT, kinds.REPLICASET, kinds.STATEFULSET, kinds.DAEMONSET)
"""Kinds whose objects stand in manifests for the pods that they make."""


def read_kinds() -> tuple[Kind, ...]:
    """The kinds that a world reads. Of ConfigMaps it reads one only (`CONFIGURED_BY`): they are left out."""
    asked = World(()).network.objects
    return (*(kind for kind in asked if kind != kinds.CONFIGMAP), *OWNERS)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A policy, or a peer of one, that decides about packets and that no answer counts. source: its object and field.

    domain: the peer's domain name; "" for a whole policy of a kind that is not modelled.
    """

    source: Provenance
    domain: str = ""

    @property
    def text(self) -> str:
        if self.domain:
            return f"{self.source.key}: {self.domain} is a domain name: no answer counts it"
        return f"{self.source.key} is not modelled: no answer counts it"


def left_out(world: World) -> list[LeftOut]:
    """Whole policies first, then peers, each by key."""
    found = [LeftOut(Provenance(key, ("spec",))) for key in sorted(world.objects) if is_foreign(key.group, key.kind)]
    for resolved in sorted(world.policies.resolved.values(), key=lambda resolved: resolved.policy.key):
        for rule in resolved.policy.egress or ():
            found += [LeftOut(rule.provenance, peer.name) for peer in rule.peers if isinstance(peer, DomainPeer)]
    return found


def warnings(world: World) -> Iterator[str]:
    """What `left_out` says, each with its place in a file, where that is known."""
    for each in left_out(world):
        yield f"{_placed(world, each.source.key, each.source.path)}{each.text}"


def _placed(world: World, key: Key, path: FieldPath) -> str:
    at = world.where(key, *path)
    return "" if at == str(Provenance(key, path)) else f"{at}: "


def named_secrets(objects: Iterable[Object]) -> tuple[Key, ...]:
    """The Secrets that Gateways of ours name as certificates: of all Secrets, a world reads these."""
    naming = {kind.kind for kind in (kinds.GATEWAYCLASS, kinds.GATEWAY, kinds.LISTENERSET)}
    network = Network.of(each for each in objects if each.kind in naming)
    return tuple(sorted(key for key in network.routes.named if key.kind == kinds.SECRET.kind))


def is_outside(address: str) -> bool:
    return address in {str(own) for own in OUTSIDE}


def outside_address(version: int = 4) -> str:
    return next(str(own) for own in OUTSIDE if isinstance(own, IPv4Address) == (version == 4))
