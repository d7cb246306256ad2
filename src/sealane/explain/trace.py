"""`trace`: the way of a connection from one party to another, hop by hop, with the reason of each.

Name, Service, route, policy and pod are asked in the order in which packets meet them, and of the same models that the
data plane writes down.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from sealane.explain.edge import handshake, not_served, passed, passes_on
from sealane.explain.legs import Candidate, Leg, gathered, leg
from sealane.explain.listening import listeners
from sealane.explain.naming import resolve
from sealane.explain.parties import Place, Target, Unknown, of_pod, parse_source, parse_target
from sealane.explain.serving import serve, service_addresses, why_no_endpoint
from sealane.explain.steps import Endpoint, Outcome, Step, Trace, Verdict
from sealane.explain.world import LeftOut, World, left_out
from sealane.kube.objects import Key, Object
from sealane.network.policies.foreign import bears_on
from sealane.network.routes.backends import BackendKey, of_backend
from sealane.network.routes.evaluate import Request, evaluate
from sealane.network.routes.hosts import candidates as host_candidates
from sealane.network.routes.hosts import strip_port
from sealane.network.routes.model.http import HostKey
from sealane.network.routes.model.l4 import PortKey, Transport, transport
from sealane.network.routes.model.streams import StreamKey, stream_for
from sealane.network.routes.proxies import proxy_of
from sealane.network.services.annotations import node_addresses, public_names
from sealane.network.services.slices import address_types


def trace(world: World, source: str, target: str, namespace: str = "default", port: str | None = None) -> Trace:
    """See `parties` for what `source` and `target` may be. Raises Unknown for a party that is not there."""
    start = parse_source(world, source, namespace)
    if start.pod is not None:
        namespace = start.pod.namespace
    return walk(world, start, parse_target(world, target, namespace, port))


@dataclass(slots=True)
class _Way:
    """The findings so far."""

    steps: list[Step] = field(default_factory=list)
    endpoints: dict[Endpoint, list[Endpoint]] = field(default_factory=dict)
    failing: list[Step] = field(default_factory=list)

    def add(self, steps: Sequence[Step]) -> None:
        self.steps += steps
        self.failing += [step for step in steps if step.mark == "stop"]

    def end(self, endpoint: Endpoint) -> None:
        """An endpoint and whether it is reached; by one of several ways, it may be so by some only."""
        self.endpoints.setdefault(replace(endpoint, allowed=True, seen=()), []).append(endpoint)


def walk(world: World, source: Place, target: Target) -> Trace:
    way = _Way([_start(world, source)])
    addresses, foreign = _addresses(world, source, target, way)
    answered = ""
    if addresses:
        number = _port(world, target, addresses)
        candidates: dict[Candidate, None] = {}
        sender = source
        # A client tries IPv4 and IPv6 in turn: what it can use of the first family decides.
        version = 4 if any(":" not in address for address in addresses) else 6
        for address in addresses:
            if (6 if ":" in address else 4) == version:
                served = serve(world, source, address, number, target.protocol)
                way.add(served.steps)
                candidates.update(dict.fromkeys(served.candidates))
                sender = served.via or sender
                answered = served.answer or answered
        answered = _arrive(world, sender, target, list(candidates), way) or answered
    elif foreign:
        answered = _leave(world, source, target, way)
    return _conclude(world, source, target, way, answered)


def _start(world: World, source: Place) -> Step:
    if source.pod is None:
        return Step("source", "note", f"{source.text} {' '.join(source.addresses)}")
    text = f"{source.text} {source.addresses[0] if source.addresses else '(no address yet)'} on {source.node or '?'}"
    return Step("source", "note", text, world.where(source.pod.key))


def _addresses(world: World, source: Place, target: Target, way: _Way) -> tuple[tuple[str, ...], bool]:
    """The addresses that the target means, and whether only a server outside the cluster could tell."""
    if target.address:
        return (target.address,), False
    if target.pod is not None:
        found = of_pod(target.pod).addresses
        if not found:
            text = f"{target.pod.namespace}/{target.pod.name} has no address (phase {target.pod.status.get('phase')})"
            way.add([Step("address", "stop", text, world.where(target.pod.key), outcome="unreachable")])
        return found[:1], False
    name = target.name
    if target.service is not None:
        service = world.services.get(target.service)
        own = service_addresses(world, target.service)
        if own and service is not None and not service.headless:
            reachable = _reachable_from(world, source, target.service, own)
            return reachable[:1], False
        name = f"{target.service.name}.{target.service.namespace}.svc.{world.zone.domain}."
    proxied = _served_host(world, source, target)
    if proxied is not None:
        # No DNS of the cluster knows this name; its owner is expected to point it to the proxy.
        host, address = proxied
        text = f"{name} is served by {host.proxy}: taken as pointing to {address or 'it'}"
        where = world.where(host.proxy)
        if not address:
            way.add([Step("name", "stop", f"{text}, which has no address", where, outcome="unresolved")])
            return (), False
        way.add([Step("name", "note", text, where)])
        return (address,), False
    for item in world.objects.values():
        if item.kind == "Service" and name.rstrip(".").lower() in public_names(item):
            return _public(world, item, name, way), False
    refused = not_served(world, source, target)
    if refused is not None:
        way.add([refused])
        return (), False
    resolved = resolve(world, source, name)
    way.add([resolved.step])
    return resolved.addresses, resolved.foreign


def _public(world: World, service: Object, name: str, way: _Way) -> tuple[str, ...]:
    """The load balancer's addresses behind a name that a Service asked for by annotation."""
    ingress = (service.status.get("loadBalancer") or {}).get("ingress") or ()
    found = tuple(each["ip"] for each in ingress if each.get("ip"))
    if service.spec.get("type") == "NodePort":
        found = tuple(node_addresses(world.nodes.values(), address_types(service)))
    where = world.where(service.key, "metadata", "annotations")
    text = f"{name} is asked for by Service {service.namespace}/{service.name}: {', '.join(found) or 'no address yet'}"
    way.add([Step("name", "pass" if found else "stop", text, where, outcome="unresolved")])
    return found


def _reachable_from(world: World, source: Place, service: Key, addresses: tuple[str, ...]) -> tuple[str, ...]:
    """From outside, a load-balancer address rather than the cluster address."""
    if source.kind not in ("outside", "address"):
        return addresses
    model = world.services.get(service)
    if model is None:
        return addresses
    external = [each.address for port in model.ports for each in port.frontends if each.external and each.address]
    return tuple(dict.fromkeys((*model.proxied, *external))) or addresses


def _served_host(world: World, source: Place, target: Target) -> tuple[HostKey | StreamKey, str] | None:
    """The virtual host (or stream) of a proxy that serves the target's name, and the proxy's address ("" while it has
    none)."""
    if target.url is None or not target.name or world.zone.covers(target.name.rstrip(".").lower()):
        return None
    for hostname in host_candidates(strip_port(target.url.host)):
        if not hostname and source.kind not in ("outside", "address"):
            continue  # a listener of any name says nothing of whose names those are
        keys: list[HostKey | StreamKey] = [*world.routing.hosts]
        if target.url.scheme == "https":
            keys += [key for key in world.routing.streams if key.transport == "TCP" and key.hostname]
        found = [key for key in keys if (key.hostname, key.port) == (hostname, target.port)]
        for key in sorted(found, key=lambda key: key.proxy):
            return key, _proxy_address(world, key.proxy)
    return None


def _proxy_address(world: World, proxy: Key) -> str:
    for service in sorted(world.services.values(), key=lambda service: service.key):
        for port in service.ports:
            pods = [world.routing.pods.get(backend.target) for backend in port.backends if backend.target is not None]
            if any(pod is not None and pod.proxy == proxy for pod in pods):
                for frontend in port.frontends:
                    if frontend.kind == "LoadBalancer":
                        return frontend.address
    return ""


def _leave(world: World, source: Place, target: Target, way: _Way) -> str:
    """The way to a name outside, whose address is not known here. Raises Unknown where that would decide."""
    isolation = world.policies.isolation.get(source.pod.key) if source.pod is not None else None
    if isolation is not None and isolation.egress:
        listed = ", ".join(f"{key.namespace}/{key.name}" if key.namespace else str(key) for key in isolation.egress)
        raise Unknown(
            f"{target.text} is a name outside the cluster, and {source.text} is isolated for egress by {listed}: "
            "give the address in its place"
        )
    way.add([Step("egress", "pass", f"no policy isolates {source.text} for egress: it may go anywhere")])
    return f"{source.text} may leave the cluster for {target.text}"


def _port(world: World, target: Target, addresses: tuple[str, ...]) -> int:
    """The port number to connect to. Raises Unknown when it is not said and there is more than one."""
    if isinstance(target.port, int):
        return target.port
    service = world.services.get(target.service) if target.service is not None else None
    if service is None:
        service = next(
            (
                each
                for each in world.services.values()
                for port in each.ports
                for own in port.frontends
                if own.address in addresses
            ),
            None,
        )
    pod = target.pod or world.pod_at(addresses[0])
    known: list[tuple[str, str, int]] = []
    if service is not None and not service.headless:
        known = [(each.name, each.protocol, each.port) for each in service.ports]
    elif pod is not None:
        known = [(each.name, each.protocol, each.port) for each in listeners(world, pod)]
    fitting = [
        number for name, protocol, number in known if protocol == target.protocol and target.port in (None, name)
    ]
    if len(fitting) == 1:
        return fitting[0]
    listed = ", ".join(f"{number}/{protocol}" + (f" ({name})" if name else "") for name, protocol, number in known)
    wanted = f"no {target.protocol} port named {target.port!r}" if target.port else "say which port"
    raise Unknown(f"{target.text}: {wanted}{f'; it has {listed}' if listed else ', as in TO:80'}")


def _arrive(world: World, source: Place, target: Target, candidates: list[Candidate], way: _Way) -> str:
    """Policies and pods; behind a proxy's pod the way goes on to a backend. Returns what a proxy answered itself."""
    legs = [leg(world, source, candidate) for candidate in candidates]
    way.add(gathered(legs))
    proxied: dict[Key, Leg] = {}
    for each in legs:
        pod = world.pod_at(each.candidate.address)
        proxy = proxy_of(pod.namespace, pod.labels) if pod is not None else None
        if proxy is None or pod is None or pod.key not in world.routing.pods:
            way.end(each.endpoint)
        elif each.endpoint.allowed:
            proxied.setdefault(proxy, each)
    answered = ""
    for proxy, each in proxied.items():
        answered = _route(world, proxy, each, target, way) or answered
    return answered


def _route(world: World, proxy: Key, arrived: Leg, target: Target, way: _Way) -> str:
    """The proxy's decision on the request; "" when it passes it on."""
    host = target.url.host if target.url else target.name or target.address
    secured = handshake(world, proxy, arrived.candidate.port, target)
    if secured is not None:
        way.add([secured])
        if secured.mark == "stop":
            return ""
    pod = world.pod_at(arrived.candidate.address)
    assert pod is not None
    port = PortKey(proxy, arrived.candidate.port, transport(arrived.candidate.protocol))
    if passes_on(world, port, target):
        stream = stream_for(world.routing.streams, port, target.name.rstrip(".").lower())
        way.add([passed(world, port, stream)])
        for backend in stream.backends if stream is not None else ():
            if not backend.problem and backend.weight:
                _backend(world, of_pod(pod), of_backend(backend), way, port.transport)
        return ""
    path, scheme = (target.url.path, target.url.scheme) if target.url else ("/", "http")
    client = next(iter(arrived.endpoint.seen), "")
    request = Request(proxy, arrived.candidate.port, host, path, scheme=scheme, client=client)
    decision = evaluate(world.routing.hosts, request)
    parts = tuple(Step("route", "note", each.text, world.at(each.source)) for each in decision.reasons)
    where = world.at(decision.rule.origin) if decision.rule is not None else world.where(proxy)
    asked = f"GET {strip_port(host)}{request.path}"
    if decision.status:
        well = 200 <= decision.status < 400
        last = parts[-1].text if parts else ""
        text = f"{proxy} answers {asked} with {decision.status}: {last}"
        way.add([Step("route", "pass" if well else "stop", text, where, parts)])
        return f"{proxy} answers with {decision.status}" if well else ""
    names = ", ".join(f"{each.service.namespace}/{each.service.name}:{each.port}" for each in decision.backends)
    way.add([Step("route", "pass", f"{proxy} sends {asked} to {names}", where, parts)])
    shows = decision.virtual_host is not None and decision.virtual_host.shows is not None
    for backend in decision.backends:
        if backend.problem:
            name = f"{backend.service} port {backend.port}"
            text = f"{name}: {backend.problem}, its share is answered with {backend.refusal}"
            way.add([Step("route", "stop", text, world.at(backend.origin))])
            continue
        _backend(world, of_pod(pod), of_backend(backend, proxy if shows else None), way)
    return ""


def _backend(world: World, proxy: Place, key: BackendKey, way: _Way, protocol: Transport = "TCP") -> None:
    """A proxy chooses among ready endpoints itself: the Service's address is not used."""
    found = world.routing.backends.get(key)
    name = f"{key.service} port {key.port}"
    if found is not None and found.problem:
        text = f"{name}: {found.problem}, so the proxy answers 503"
        way.add([Step("service", "stop", text, world.where(key.service))])
        return
    if found is None or not found.addresses:
        service = world.services.get(key.service)
        port = next((port for port in service.ports if port.port == key.port), None) if service is not None else None
        at, reasons = why_no_endpoint(world, service, port) if service is not None and port is not None else ("", ())
        way.add([Step("service", "stop", f"{name}: no ready endpoint, so the proxy answers 503", at, reasons)])
        return
    pods = [world.pod_at(address) for address, _ in found.addresses]
    parts = tuple(
        Step("service", "note", f"{address}:{number}" + (f" {pod.namespace}/{pod.name}" if pod else ""))
        for (address, number), pod in zip(found.addresses, pods, strict=True)
    )
    count = f"{len(parts)} endpoint{'s' if len(parts) > 1 else ''}"
    way.add([Step("service", "pass", f"{name}: {count}, chosen by the proxy", world.where(key.service), parts)])
    if found.tls is not None:
        names = ", ".join(value for _, value in found.tls.names)
        text = f"a policy has the proxy begin TLS as {found.tls.server_name}, with a certificate for {names}"
        way.add([Step("tls", "note", text, world.where(key.service))])
    legs = [leg(world, proxy, Candidate(address, number, protocol)) for address, number in found.addresses]
    way.add(gathered(legs))
    for each in legs:
        way.end(each.endpoint)


def _unknown(world: World, source: Place, way: _Way) -> list[LeftOut]:
    """What is not modelled and may decide about this way: policies of its ends' namespaces, peers of the sender's."""
    pods = [endpoint.pod.partition("/")[0] for endpoint in way.endpoints if endpoint.pod]
    spaces = {*pods, *((source.pod.namespace,) if source.pod is not None else ())}
    isolation = world.policies.isolation.get(source.pod.key) if source.pod is not None else None
    outside = any(not endpoint.pod and not world.node_at(endpoint.address) for endpoint in way.endpoints)
    outgoing = isolation.egress if isolation is not None and outside else ()
    return [
        each
        for each in left_out(world)
        if (each.source.key in outgoing if each.domain else bool(spaces) and bears_on(each.source.key, spaces))
    ]


def _conclude(world: World, source: Place, target: Target, way: _Way, answered: str) -> Trace:
    reached = [endpoint for endpoint, ways in way.endpoints.items() if any(each.allowed for each in ways)]
    verdict: Verdict
    if (reached or answered) and not way.failing:
        verdict = "allowed"
        if answered and not reached:
            reason = answered
        elif len(reached) == 1:
            reason = f"{reached[0]} {'answers' if reached[0].pod else 'can be reached'}"
        else:
            reason = f"one of {len(reached)} answers: " + ", ".join(each.pod or str(each) for each in reached[:4])
            reason += ", …" if len(reached) > 4 else ""
    else:
        verdict = "mixed" if reached or answered else "denied"
        reason = "nothing is there to answer"
        if way.failing:
            last = way.failing[-1]
            reason = f"{last.text} ({last.at})" if last.hop in ("egress", "ingress") and last.at else last.text
    unknown = _unknown(world, source, way) if way.endpoints else []
    if unknown:
        way.add([Step("policy", "note", each.text, world.at(each.source)) for each in unknown])
        more = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
        reason = (
            f"{unknown[0].source.key}{more} may decide otherwise; by all that is modelled it is {verdict}: {reason}"
        )
        verdict = "unknown"
    endpoints = tuple(
        replace(
            endpoint,
            allowed=all(each.allowed for each in ways),
            seen=tuple(dict.fromkeys(address for each in ways for address in each.seen)),
        )
        for endpoint, ways in way.endpoints.items()
    )
    outcomes: list[Outcome] = ["answered"] if reached or answered else []
    outcomes += [step.outcome for step in way.failing]
    return Trace(
        source.text,
        target.text,
        verdict,
        reason,
        tuple(way.steps),
        endpoints,
        tuple(dict.fromkeys(outcomes)) or ("unreachable",),
    )
