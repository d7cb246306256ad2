"""The edge of the cluster as a client meets it: which Gateway takes a name, and TLS before the first request."""

from __future__ import annotations

from sealane.explain.parties import Place, Target
from sealane.explain.steps import Step
from sealane.explain.world import World
from sealane.kube.objects import Key
from sealane.network.certificates.pairs import covers
from sealane.network.routes import hosts
from sealane.network.routes.gateway_api.listeners import GatewayListener
from sealane.network.routes.ingress import tls as ingress_tls
from sealane.network.routes.model.l4 import PortKey
from sealane.network.routes.model.streams import Stream
from sealane.network.routes.model.tls import CertificateRef, chain_for


def not_served(world: World, source: Place, target: Target) -> Step | None:
    """Why a name that a listener could take, but none takes on this port, is not served; None for another name.

    From outside every name is asked of the edge. From a pod only one that a listener names: a listener of any name says
    nothing of whose names those are.
    """
    if target.url is None or not target.name or world.zone.covers(target.name.rstrip(".").lower()):
        return None
    name, asked = hosts.strip_port(target.url.host), f"port {target.port}"
    found = sorted(world.routing.listeners.values(), key=lambda each: each.key)
    outside = source.kind in ("outside", "address")
    taking = [each for each in found if hosts.matches(each.hostname, name) and (each.hostname or outside)]
    on_port = [each for each in taking if each.port == target.port]
    for each in [*on_port, *taking]:
        text = f"{name} is not served on {asked}: {_why(each, int(target.port or 0))}"
        return Step("name", "stop", text, _where(world, each), outcome="unresolved")
    if not outside or not (found or world.routing.hosts):
        return None
    text = f"{name} is not served: no listener of a Gateway and no Ingress takes it on {asked}"
    return Step("name", "stop", text, outcome="unresolved")


def _why(listener: GatewayListener, port: int) -> str:
    named = f"listener {listener.key.name} of {listener.key.owner}"
    if listener.port != port:
        return f"{named} takes this name on port {listener.port}"
    condition = listener.references
    reason = listener.problem or (f"{condition.reason}: {condition.message}" if condition else "it takes no such name")
    return f"{named} does not serve, {reason}"


def _where(world: World, listener: GatewayListener) -> str:
    owner = world.objects.get(listener.key.owner)
    names = [entry["name"] for entry in owner.spec.get("listeners") or ()] if owner is not None else []
    if listener.key.name in names:
        return world.where(listener.key.owner, "spec", "listeners", names.index(listener.key.name))
    return world.where(listener.key.owner)


def handshake(world: World, proxy: Key, port: int, target: Target) -> Step | None:
    """What TLS makes of the connection at a proxy's port; None where neither side speaks it."""
    opened = world.routing.ports.get(PortKey(proxy, port))
    secure = target.url is not None and target.url.scheme == "https"
    if opened is None or not (opened.chains or secure):
        return None
    if opened.speaks in ("tcp", "udp"):
        return None  # whatever comes is passed on, TLS too
    if not opened.chains:
        text = f"{proxy} speaks HTTP without TLS on port {port}: the handshake fails"
        return Step("tls", "stop", text, world.where(proxy), outcome="refused")
    if not secure:
        text = f"{proxy} speaks TLS on port {port}: a request without it is not answered"
        return Step("tls", "stop", text, world.at(opened.chains[0].origin), outcome="refused")
    name = target.name.rstrip(".").lower()  # an address is no server name (RFC 6066, section 3)
    chain = chain_for(opened.chains, name)
    if chain is None:
        known = ", ".join(each.hostname for each in opened.chains)
        text = (
            f"no listener of {proxy} takes server name {name or '(none)'} on port {port}, only {known}: TLS is refused"
        )
        return Step("tls", "stop", text, world.where(proxy), outcome="refused")
    parts = tuple(_certificate(world, ref, name) for ref in chain.certificates)
    text = f"listener {chain.listener} of {proxy} ({chain.hostname or 'any name'}) takes server name {name or '(none)'}"
    if not chain.certificates:
        text += " and passes TLS through"
    elif chain.clients is not None:
        text += ", whatever certificate the client shows" if chain.clients.optional else ", with a certificate to show"
    return Step("tls", "pass", text, world.at(chain.origin), parts)


def passes_on(world: World, port: PortKey, target: Target) -> bool:
    """Whether what comes in there is passed on without a look into it."""
    opened = world.routing.ports.get(port)
    if opened is None or opened.speaks == "http":
        return False
    if opened.speaks in ("tcp", "udp"):
        return True
    chain = chain_for(opened.chains, target.name.rstrip(".").lower())
    return chain is not None and not chain.http


def passed(world: World, port: PortKey, stream: Stream | None) -> Step:
    """What becomes of it."""
    where = f"{port.proxy} port {port.port}/{port.transport}"
    what = "datagrams" if port.transport == "UDP" else "connections"
    if stream is None:
        return Step("route", "stop", f"{where}: no route takes {what}", world.where(port.proxy), outcome="refused")
    usable = [each for each in stream.backends if each.weight]
    total = sum(each.weight for each in usable)
    parts = tuple(
        Step(
            "route",
            "note",
            f"{each.weight}/{total} of {what} go to {each.service} port {each.port}"
            + (f": none, {each.problem}" if each.problem else ""),
            world.at(each.origin),
        )
        for each in usable
    )
    if all(each.problem for each in usable):
        text = f"{where}: {what} end, no backend can be used"
        return Step("route", "stop", text, world.at(stream.origin), parts, outcome="refused")
    names = ", ".join(f"{each.service.namespace}/{each.service.name}:{each.port}" for each in usable)
    return Step("route", "pass", f"{where} passes {what} on to {names}", world.at(stream.origin), parts)


def _certificate(world: World, ref: CertificateRef, name: str) -> Step:
    pair = world.routing.pairs.get(ref.secret)
    if ref.secret == ingress_tls.DEFAULT and pair is None:
        return Step("tls", "note", "the default certificate, which signed itself: a client that verifies refuses it")
    names = pair.names if pair is not None else ()
    text = f"certificate of {ref.secret} for {', '.join(names) or 'no name'}"
    if name and not covers(names, name):
        text += f": not for {name}, a client that verifies refuses it"
    return Step("tls", "note", text, world.where(ref.secret))
