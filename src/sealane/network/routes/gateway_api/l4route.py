"""TLSRoute, TCPRoute and UDPRoute: what passes through a listener without HTTP.

Source: https://gateway-api.sigs.k8s.io/reference/spec/ (v1), `TLSRoute`, `TCPRoute`, `UDPRoute`. None of them has a
match within a listener, so of several rules the first, and of several routes the oldest, serves
(https://gateway-api.sigs.k8s.io/guides/api-design/#conflicts).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from sealane.network.provenance import Provenance
from sealane.network.routes.backends import Reference, resolve
from sealane.network.routes.gateway_api.attachment import BoundRoute, age_of, attach, passed, resolved_refs
from sealane.network.routes.gateway_api.listeners import GatewayListener, ListenerKey
from sealane.network.routes.model.http import Backend, Listener, Use
from sealane.network.routes.model.l4 import Transport, transport
from sealane.network.routes.model.streams import Stream, StreamKey
from sealane.network.routes.sources import Sources
from sealane.reactive.collections import Collection, Fetch

if TYPE_CHECKING:
    from sealane.kube.shapes import TCPRoute, TLSRoute, UDPRoute

    L4Route = TLSRoute | TCPRoute | UDPRoute

_TRANSPORTS: Mapping[str, Transport] = {"UDPRoute": "UDP"}


def bind(
    route: L4Route, sources: Sources, listeners: Collection[ListenerKey, GatewayListener], fetch: Fetch
) -> BoundRoute | None:
    """None for a route none of whose parents is ours."""
    attached = attach(route, sources, listeners, fetch)
    if not attached:
        return None
    found, problems = _backends(route, sources, fetch)
    streams: dict[StreamKey, Stream] = {}
    for each in attached:
        for listener, hostnames in each.joined:
            served = listener.listener
            if served is None:
                continue
            for hostname in hostnames:
                if served.owns(hostname):
                    key = StreamKey(served.proxy, served.port, transport(served.protocol), hostname)
                    use = _use(served)
                    backends = tuple(_spoken(backend, use) for backend in found)
                    streams[key] = Stream(key, backends, Provenance(route.key, ("spec", "rules", 0)), age_of(route))
    return passed(route, attached, streams, resolved_refs(problems))


def _use(listener: Listener) -> Use:
    if listener.protocol == "UDP":
        return "udp"
    return "raw" if listener.protocol == "TLS" and listener.tls is None else "tcp"


def _spoken(backend: Backend, use: Use) -> Backend:
    return Backend(backend.service, backend.port, backend.weight, backend.origin, backend.problem, use=use)


def _backends(route: L4Route, sources: Sources, fetch: Fetch) -> tuple[list[Backend], list[Reference]]:
    found: list[Backend] = []
    problems: list[Reference] = []
    for number, rule in enumerate(route.spec.get("rules") or ()):
        for index, ref in enumerate(rule.get("backendRefs") or ()):
            to = resolve(route.key, ref, sources, fetch, _TRANSPORTS.get(route.kind, "TCP"))
            problems += [to] if to.problem else []
            weight = ref.get("weight")
            origin = Provenance(route.key, ("spec", "rules", number, "backendRefs", index))
            if number == 0:
                found.append(Backend(to.service, to.port, 1 if weight is None else weight, origin, to.problem))
    return found, problems
