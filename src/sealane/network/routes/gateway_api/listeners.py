"""GatewayClass, Gateway and ListenerSet: their listeners, the routes that may attach, the conflicts between listeners.

Source: https://gateway-api.sigs.k8s.io/reference/spec/ (v1), `Gateway`, `Listener`, `AllowedRoutes`, `ListenerSet`
(GEP-1713).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, NamedTuple

from sealane.kube.objects import Key
from sealane.kube.selectors import LabelSelector
from sealane.network.provenance import Provenance
from sealane.network.routes import hosts
from sealane.network.routes.certificates import Certificates
from sealane.network.routes.classes import GATEWAY_CONTROLLER, served_here
from sealane.network.routes.conditions import Condition
from sealane.network.routes.gateway_api import frontend_tls
from sealane.network.routes.model.http import HostKey, Listener
from sealane.network.routes.model.l4 import SPEECH, Speech, Transport, transport
from sealane.network.routes.sources import GATEWAY_GROUP, Sources
from sealane.reactive.collections import Fetch

if TYPE_CHECKING:
    from sealane.kube.shapes import Gateway, GatewayClass, ListenerSet
    from sealane.kube.shapes.gateway_v1 import (
        GatewaySpecListeners,
        GatewaySpecListenersAllowedRoutes,
        GatewaySpecListenersAllowedRoutesNamespaces,
    )

RouteKind = tuple[str, str]


def _kind(name: str) -> RouteKind:
    return (GATEWAY_GROUP, name)


SUPPORTED_KINDS: Mapping[str, tuple[RouteKind, ...]] = {
    "HTTP": (_kind("HTTPRoute"), _kind("GRPCRoute")),
    "HTTPS": (_kind("HTTPRoute"), _kind("GRPCRoute")),
    "TLS": (_kind("TLSRoute"),),
    "TCP": (_kind("TCPRoute"),),
    "UDP": (_kind("UDPRoute"),),
}
"""Route kinds that each protocol can carry; a protocol that is not here is not supported."""


class ListenerKey(NamedTuple):
    """owner: the Gateway or ListenerSet in which it is written."""

    owner: Key
    name: str


@dataclass(frozen=True, slots=True)
class GatewayListener:
    """A listener of a Gateway of ours, or of a ListenerSet that such a Gateway takes.

    gateway: whose proxy listens. listener: its part of the routing model, None while `problem` or the lack of a
    certificate keeps it from serving.
    problem: "" or UnsupportedProtocol, UnsupportedValue, NoValidCACertificate, ProtocolConflict, HostnameConflict.
    references: the ResolvedRefs condition of references to certificates that do not resolve.
    kinds: the routes that may attach. bad_kinds: allowedRoutes names kinds we cannot serve here.
    namespaces: which namespaces' routes may attach; a selector is matched with the namespace's labels.
    """

    key: ListenerKey
    gateway: Key
    port: int
    hostname: str
    listener: Listener | None
    problem: str
    kinds: tuple[RouteKind, ...]
    bad_kinds: bool
    namespaces: Literal["Same", "All"] | LabelSelector
    references: Condition | None = None

    def allows(self, route: Key, sources: Sources, fetch: Fetch) -> bool:
        """Whether `allowedRoutes` lets this route attach."""
        if (route.group, route.kind) not in self.kinds:
            return False
        if self.namespaces == "All":
            return True
        if self.namespaces == "Same":
            return route.namespace == self.key.owner.namespace
        namespace = fetch.get(sources.namespaces, Key("", "Namespace", "", route.namespace))
        return namespace is not None and self.namespaces.matches(namespace.labels)


def is_ours(gateway_class: GatewayClass | None) -> bool:
    return served_here(gateway_class, GATEWAY_CONTROLLER)


def class_key(gateway: Gateway) -> Key:
    return Key(GATEWAY_GROUP, "GatewayClass", "", gateway.spec.get("gatewayClassName") or "")


def refusal(gateway: Gateway) -> Condition | None:
    """The Accepted condition of a Gateway that is not served at all: it asks for what is not supported."""
    reference = (gateway.spec.get("infrastructure") or {}).get("parametersRef")
    if reference:
        text = f"infrastructure.parametersRef names {reference.get('kind')}: no kind of parameters is supported"
        return Condition("Accepted", False, "InvalidParameters", text)
    for address in gateway.spec.get("addresses") or ():
        kind = address.get("type") or "IPAddress"
        if kind != "IPAddress":
            text = f"addresses of type {kind} are not supported, only IPAddress"
            return Condition("Accepted", False, "UnsupportedAddress", text)
    return None


def owner_of(listener: GatewayListener) -> tuple[Key]:
    """Index of listeners by the Gateway or ListenerSet that has them, which is what a parentRef names."""
    return (listener.key.owner,)


def own_hosts(listener: GatewayListener) -> tuple[HostKey, ...]:
    """Index of listeners by the virtual host that their own hostname is: it is there (with 404) without routes too."""
    served = listener.listener
    if served is None or served.protocol not in ("HTTP", "HTTPS"):
        return ()
    return (HostKey(served.proxy, served.port, served.hostname),)


# ListenerSets


def parent_of(listener_set: ListenerSet) -> tuple[Key]:
    """Index of ListenerSets by the Gateway that they want to be part of."""
    ref = listener_set.spec.get("parentRef") or {}
    key = Key(
        ref.get("group") or GATEWAY_GROUP,
        ref.get("kind") or "Gateway",
        ref.get("namespace") or listener_set.namespace,
        ref.get("name", ""),
    )
    return (key,)


def takes(gateway: Gateway, namespace: str, sources: Sources, fetch: Fetch) -> bool:
    """Whether the Gateway's `allowedListeners` lets ListenerSets of this namespace in; by default none."""
    allowed = (gateway.spec.get("allowedListeners") or {}).get("namespaces") or {}
    match allowed.get("from"):
        case "All":
            return True
        case "Same":
            return namespace == gateway.namespace
        case "Selector":
            found = fetch.get(sources.namespaces, Key("", "Namespace", "", namespace))
            return found is not None and LabelSelector.of(allowed.get("selector") or {}).matches(found.labels)
    return False


def _owners(gateway: Gateway, sources: Sources, fetch: Fetch) -> list[Gateway | ListenerSet]:
    """Whose listeners the Gateway has, those that come first in a conflict first: "parent" Gateway, ListenerSets by
    creation time, then by name."""
    sets = fetch(sources.listener_sets, index=parent_of, value=gateway.key)
    ours = [each for each in sets if takes(gateway, each.namespace, sources, fetch)]
    ours.sort(key=lambda each: (each.metadata.get("creationTimestamp") or "", each.namespace, each.name))
    return [gateway, *ours]


# Listeners

_Place = tuple[int, Transport]


@dataclass(slots=True)
class _Entry:
    """A listener as it is written, and what keeps it from being accepted. refused: its Gateway is not served."""

    owner: Gateway | ListenerSet
    number: int
    raw: GatewaySpecListeners
    tls: frontend_tls.Resolved | None
    problem: str = ""
    refused: bool = False

    @property
    def place(self) -> _Place:
        return int(self.raw.get("port") or 0), transport(self.raw["protocol"])

    @property
    def speaks(self) -> Speech | None:
        return SPEECH.get(self.raw["protocol"])

    @property
    def hostname(self) -> str:
        return (self.raw.get("hostname") or hosts.ANY).lower()

    @property
    def serves(self) -> bool:
        return not (self.problem or self.refused) and (self.tls is None or self.tls.usable)


def listeners(
    gateway: Gateway, sources: Sources, certificates: Certificates, fetch: Fetch
) -> dict[ListenerKey, GatewayListener]:
    """The listeners of a Gateway whose class is ours, and of the ListenerSets that it takes; of another's none.

    Two listeners of one port conflict when they speak different protocols or their hostnames are equal. Of one object
    then neither serves ("The implementation MUST NOT pick one conflicting Listener as the winner"); what another object
    has that comes before stays. A listener with TLS serves once one of its certificates resolves.
    """
    if not is_ours(fetch.get(sources.gateway_classes, class_key(gateway))):
        return {}
    owners = [
        [
            _Entry(owner, number, raw, frontend_tls.resolve(gateway, owner, raw, number, sources, certificates, fetch))
            for number, raw in enumerate(owner.spec.get("listeners") or ())
        ]
        for owner in _owners(gateway, sources, fetch)
    ]
    _judge(owners)
    entries = [entry for own in owners for entry in own]
    if refusal(gateway) is not None:
        entries = [replace(entry, refused=True) for entry in entries]
    return {found.key: found for entry in entries for found in (_listener(gateway, entry, entries),)}


def _judge(owners: Iterable[Sequence[_Entry]]) -> None:
    spoken: dict[_Place, Speech | None] = {}
    taken: set[tuple[_Place, str]] = set()
    for entries in owners:
        for entry in entries:
            if entry.raw["protocol"] not in SUPPORTED_KINDS:
                entry.problem = "UnsupportedProtocol"
            elif entry.tls is not None and entry.tls.refused:
                entry.problem = entry.tls.refused
            elif spoken.get(entry.place, entry.speaks) != entry.speaks:
                entry.problem = "ProtocolConflict"
            elif (entry.place, entry.hostname) in taken:
                entry.problem = "HostnameConflict"
        speeches: dict[_Place, set[Speech | None]] = {}
        left = [entry for entry in entries if entry.problem in ("", "UnsupportedProtocol")]
        for entry in left:
            speeches.setdefault(entry.place, set()).add(entry.speaks)
        names = Counter((entry.place, entry.hostname) for entry in left)
        for entry in left:
            if not entry.problem and len(speeches[entry.place]) > 1:
                entry.problem = "ProtocolConflict"
            elif not entry.problem and names[entry.place, entry.hostname] > 1:
                entry.problem = "HostnameConflict"
        for entry in entries:
            if not entry.problem:
                spoken[entry.place] = entry.speaks
                taken.add((entry.place, entry.hostname))


def _listener(gateway: Gateway, entry: _Entry, entries: Sequence[_Entry]) -> GatewayListener:
    raw, owner = entry.raw, entry.owner
    served = None
    if entry.serves:
        rivals = tuple(
            other.hostname for other in entries if other is not entry and other.place == entry.place and other.serves
        )
        origin = Provenance(owner.key, ("spec", "listeners", entry.number))
        tls = entry.tls.tls if entry.tls is not None and not entry.tls.passthrough else None
        protocol = raw["protocol"]
        served = Listener(
            gateway.key,
            raw["name"],
            entry.place[0],
            protocol,  # type: ignore[arg-type]
            entry.hostname,
            origin,
            rivals,
            tls,
        )
    allowed = raw.get("allowedRoutes") or {}
    kinds, bad_kinds = _kinds(raw["protocol"], allowed)
    return GatewayListener(
        ListenerKey(owner.key, raw["name"]),
        gateway.key,
        entry.place[0],
        entry.hostname,
        served,
        entry.problem,
        kinds,
        bad_kinds,
        _namespaces(allowed.get("namespaces") or {}),
        entry.tls.problem if entry.tls is not None else None,
    )


def _kinds(protocol: str, allowed: GatewaySpecListenersAllowedRoutes) -> tuple[tuple[RouteKind, ...], bool]:
    supported = SUPPORTED_KINDS.get(protocol, ())
    named = [(item.get("group") or GATEWAY_GROUP, item["kind"]) for item in allowed.get("kinds") or ()]
    if not named:
        return supported, False
    return tuple(kind for kind in dict.fromkeys(named) if kind in supported), any(
        kind not in supported for kind in named
    )


def _namespaces(namespaces: GatewaySpecListenersAllowedRoutesNamespaces) -> Literal["Same", "All"] | LabelSelector:
    match namespaces.get("from"):
        case "All":
            return "All"
        case "Selector":
            return LabelSelector.of(namespaces.get("selector") or {})
    return "Same"
