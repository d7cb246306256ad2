"""From an address and port to the endpoints that can answer there, or the reason why none does."""

from __future__ import annotations

from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

from sealane.explain.legs import Candidate, denied_leave, leg
from sealane.explain.parties import Place
from sealane.explain.steps import Outcome, Step
from sealane.explain.world import World, outside_address
from sealane.kube.objects import Key, Object
from sealane.kube.selectors import LabelSelector, Requirement
from sealane.network.addresses import SERVICES, family, is_internal
from sealane.network.pods import container_ports, ready_condition
from sealane.network.services import (
    Family,
    Frontend,
    ServiceModel,
    ServicePort,
    TrafficFrom,
    balanced_nodes,
    local_endpoints,
    select_backends,
    source_allowed,
    source_ranges,
)
from sealane.network.services import Place as NodePlace
from sealane.network.services.listeners import listeners
from sealane.network.services.node_ports import CONFIGURED_BY
from sealane.network.services.select import Selection, find_frontend
from sealane.network.services.slices import pod_endpoint, pod_selector, target_number

if TYPE_CHECKING:
    from sealane.kube.shapes import core_v1

_ENDED = {"drop": "dropped", "reject": "refused"}


@dataclass(frozen=True, slots=True)
class Served:
    """The possible ends of a connection to an address and port. No candidates: `steps` say why.

    via: the load balancer that connects in the sender's place, where one takes the connection itself.
    answer: what is answered by a node itself.
    """

    steps: tuple[Step, ...]
    candidates: tuple[Candidate, ...] = ()
    via: Place | None = None
    answer: str = ""


def serve(world: World, source: Place, address: str, port: int, protocol: str) -> Served:
    """The treatment of a connection from `source` to this address and port."""
    node = world.node_at(address)
    served = _served(world, source, address, port, protocol, node)
    if node and not served.candidates:  # what another node refuses or answers itself has to leave the pod's node first
        denied = denied_leave(world, source, address, node, protocol, port)
        return Served(tuple(denied)) if denied else served
    return served


def _served(world: World, source: Place, address: str, port: int, protocol: str, node: str) -> Served:
    found = find_frontend(world.services, address, protocol, port)
    if found is None and node:
        found = find_frontend(world.services, "", protocol, port, family(address))
        if found is not None and not world.has_node_ports(address, node):
            listed = ", ".join(world.node_ports)
            text = f"{address} of {node} has no NodePorts: nodePortAddresses of kube-proxy is {listed}"
            where = world.where(CONFIGURED_BY, "data", "config.conf")
            return Served((Step("service", "stop", text, where, outcome="refused"),))
    if found is not None:
        return _service(world, source, *found, node)
    for service in world.services.values():
        if node and port == service.health_check_port and protocol == "TCP":
            return _checked(world, service, node)
        if address in service.proxied:
            return _balanced(world, source, service, address, port, protocol)
    owner = next((service for service in world.services.values() if _answers_at(service, address)), None)
    if owner is not None:
        known = ", ".join(
            f"{each.port}/{each.protocol}" + (f" ({each.name})" if each.name else "") for each in owner.ports
        )
        text = f"{owner.key} has no port {port}/{protocol}; it has {known}"
        where = world.where(owner.key, "spec", "ports")
        return Served((Step("service", "stop", text, where, outcome="refused"),))
    if any(ip_address(address) in network for network in SERVICES):
        text = f"{address} is in the Services' range, and no Service has it"
        return Served((Step("address", "stop", text),))
    pod = world.pod_at(address)
    if source.kind == "outside" and pod is not None:
        text = f"pod addresses are not routed outside the cluster: {source.text} has no way to {address}"
        return Served((Step("address", "stop", text, outcome="unreachable"),))
    whose = f"pod {pod.namespace}/{pod.name}" if pod else f"node {node}" if node else "no address of this cluster"
    step = Step("address", "pass", f"{address} is {whose}", world.where(pod.key) if pod else "")
    return Served((step,), (Candidate(address, port, protocol),))


def _service(
    world: World, source: Place, service: ServiceModel, port: ServicePort, frontend: Frontend, node: str
) -> Served:
    name = f"{service.key} {frontend if frontend.address else f'{frontend} of {node}'}"
    where = world.at(port.provenance)
    outside = source.kind in ("outside", "address")
    if outside and frontend.kind == "ClusterIP":
        text = f"{name}: cluster addresses are not routed outside the cluster"
        return Served((Step("service", "stop", text, where, outcome="unreachable"),))
    if outside and frontend.kind == "LoadBalancer" and is_internal(frontend.address):
        text = f"{name}: an internal load balancer is not reached from outside the cluster"
        return Served((Step("service", "stop", text, where, outcome="unreachable"),))
    if not source_allowed(service, frontend, source.address(frontend.family)):
        ranges = ", ".join(service.source_ranges)
        text = f"{name}: {source.text} is in none of loadBalancerSourceRanges {ranges}"
        return Served((Step("service", "stop", text, world.where(service.key, "spec", "loadBalancerSourceRanges")),))
    entries = _entries(world, source, service, frontend, node)
    hosted = source.pod is not None and source.pod.spec.get("hostNetwork")
    # A packet to another node leaves its pod's node under the node's address: it does not come from a pod any more.
    left = source.kind == "pod" and not hosted and bool(source.node) and entries != [source.node]
    traffic: TrafficFrom = "pod" if source.kind == "pod" and not hosted and not left else "outside"
    if source.node and traffic == "outside" and entries == [source.node]:
        traffic = "node"  # to another node, what a node sends comes from outside
    candidates: dict[Candidate, None] = {}
    parts: list[Step] = []
    selection: Selection | None = None
    stops: list[Step] = []
    for entry in entries or [""]:
        selection = select_backends(service, port, frontend, NodePlace(entry, world.zone_of(entry)), traffic)
        if selection.verdict != "forward":
            text = f"{name}: what comes in by {entry} is {_ENDED[selection.verdict]}, {selection.reason.text}"
            outcome: Outcome = "refused" if selection.verdict == "reject" else "silent"
            stops.append(Step("service", "stop", text, world.at(selection.reason.source), outcome=outcome))
            continue
        for backend in selection.backends:
            candidate = Candidate(backend.address, backend.port, frontend.protocol, entry, selection.masquerade)
            if left:
                candidate = replace(candidate, asked=(world.node_address(entry, frontend.family), frontend.port))
            candidates[candidate] = None
    assert selection is not None
    if not candidates:
        if selection.verdict == "drop":
            text = f"{name}: {selection.reason.text}, so nothing answers"
            return Served((Step("service", "stop", text, world.at(selection.reason.source)),))
        at, reasons = why_no_endpoint(world, service, port)
        because = f": {reasons[0].text}" if reasons else ""
        text = f"{name} refuses connections, it has {selection.reason.text}{because}"
        at = at or world.at(selection.reason.source)
        return Served((Step("service", "stop", text, at, reasons[1:], outcome="refused"),))
    for address, number in dict.fromkeys((each.address, each.port) for each in candidates):
        pod = world.pod_at(address)
        parts.append(Step("service", "note", f"{address}:{number}" + (f" {pod.namespace}/{pod.name}" if pod else "")))
    count = f"{len(parts)} endpoint{'s' if len(parts) > 1 else ''}"
    sticky = f", each client stays with one for {service.affinity_seconds} s" if service.affinity_seconds else ""
    reason = selection.reason.text if selection.verdict == "forward" else "endpoints of the nodes that have one"
    if frontend.kind == "LoadBalancer" and not source.node and len(entries) < len(world.nodes):
        check = f" (healthCheckNodePort {service.health_check_port})" if service.health_check_port else ""
        what = f"with a ready endpoint{check}" if service.external_policy == "Local" else "for session affinity"
        reason = f"the load balancer sends to nodes {what}: {', '.join(entries)}"
    passing = Step("service", "pass", f"{name}: {count}, {reason}{sticky}", where, tuple(parts))
    return Served((passing, *stops), tuple(candidates))


def _checked(world: World, service: ServiceModel, node: str) -> Served:
    """The answer of a node on the healthCheckNodePort of a Service."""
    count = local_endpoints(service, node)
    says = "200" if count else "503"
    text = (
        f"{service.key} healthCheckNodePort of {node}: {count or 'no'} ready endpoint{'s' if count != 1 else ''} "
        f"there, so it answers {says} and the load balancer sends it {'connections' if count else 'nothing'}"
    )
    step = Step("service", "pass", text, world.where(service.key, "spec", "externalTrafficPolicy"))
    return Served((step,), answer=f"{node} answers with {says}")


def _balanced(world: World, source: Place, service: ServiceModel, address: str, port: int, protocol: str) -> Served:
    """A load balancer that takes the connection itself and opens another to a node port (ipMode Proxy, KEP-1860)."""
    version: Family = 6 if family(address) == 6 else 4
    name = f"{service.key} {address}:{port}/{protocol}"
    where = world.where(service.key, "status", "loadBalancer")
    taken = next((each for each in listeners(world.objects[service.key]) if each.port == port), None)
    if taken is None or protocol != "TCP":
        text = f"{name}: the load balancer takes no connections there"
        return Served((Step("service", "stop", text, where, outcome="refused"),))
    if not source.node and is_internal(address):
        text = f"{name}: an internal load balancer is not reached from outside the cluster"
        return Served((Step("service", "stop", text, where, outcome="refused"),))
    worn = world.node_address(source.node, version) if source.node else source.address(version)
    ranges = source_ranges(service, version)
    if ranges and not any(ip_address(worn) in ip_network(each) for each in ranges):
        text = f"{name}: {worn} is in none of loadBalancerSourceRanges {', '.join(ranges)}"
        where = world.where(service.key, "spec", "loadBalancerSourceRanges")
        return Served((Step("service", "stop", text, where, outcome="refused"),))
    what = f"ends TLS with Secret {taken.secret}, then" if taken.secret else "takes the connection and"
    text = f"{name}: the load balancer {what} connects to node port {taken.node_port} (ipMode Proxy)"
    steps = [*(each for each in leg(world, source, Candidate(address, port, protocol)).steps if each.hop == "egress")]
    steps.append(Step("service", "pass", text, where))
    via = Place("outside", "the load balancer", (outside_address(4), outside_address(6)))
    found: dict[Candidate, None] = {}
    last: tuple[Step, ...] = ()
    for node in balanced_nodes(service, sorted(each.name for each in world.nodes.values())):
        served = serve(world, via, world.node_address(node, version), taken.node_port, protocol)
        found.update(dict.fromkeys(served.candidates))
        last = served.steps if served.candidates or not last else last
    return Served((*steps, *last), tuple(found), via)


def _entries(world: World, source: Place, service: ServiceModel, frontend: Frontend, node: str) -> list[str]:
    """The nodes that may translate the connection: where it starts, unless it is for another node's own address."""
    if frontend.kind == "NodePort":
        return [node]
    if source.node:
        return [source.node]
    if frontend.kind == "LoadBalancer":
        return list(balanced_nodes(service, sorted(each.name for each in world.nodes.values())))
    return [node] if node else sorted(each.name for each in world.nodes.values())


def why_no_endpoint(world: World, service: ServiceModel, port: ServicePort) -> tuple[str, tuple[Step, ...]]:
    """The place to look at, and what is wrong with each pod that was meant."""
    item = world.objects[service.key]
    selector = pod_selector(item)
    if selector is None:
        text = "the Service has no selector: its endpoints come from EndpointSlices that someone writes"
        return world.where(service.key, "spec"), (Step("service", "note", text),)
    at = world.where(service.key, "spec", "selector")
    pods = [pod for pod in world.pods.values() if pod.namespace == service.key.namespace]
    chosen = sorted((pod for pod in pods if selector.matches(pod.labels)), key=lambda pod: pod.key)
    if not chosen:
        return at, (Step("service", "note", f"no pod has the labels {selector}{_nearest_pod(selector, pods)}", at),)
    number = port.provenance.path[-1]
    raw: core_v1.ServicePort = item.spec["ports"][number] if isinstance(number, int) else {"port": port.port}
    reasons = tuple(_why_not(world, pod, raw) for pod in chosen[:5])
    return reasons[0].at or at, reasons


def _why_not(world: World, pod: Object, port: core_v1.ServicePort) -> Step:
    name = f"{pod.namespace}/{pod.name}"
    endpoint = pod_endpoint(pod)
    if endpoint is None:
        return Step("service", "note", f"{name} has no address (phase {pod.status.get('phase') or 'unknown'})")
    target = port.get("targetPort")
    if isinstance(target, str) and target_number(target, port, endpoint.ports) is None:
        named = {each.name: each.protocol for each in container_ports(pod) if each.name}
        text = f"{name} has no port named {target!r} (it names: {', '.join(named) or 'none'})"
        if target in named:
            text = f"port {target!r} of {name} is {named[target]}, not {port.get('protocol') or 'TCP'}"
        return Step("service", "note", text, world.where(pod.key, "spec", "containers", 0, "ports"))
    if endpoint.terminating:
        return Step("service", "note", f"{name} is terminating")
    if not endpoint.ready:
        ready = ready_condition(pod)
        why = (ready and (ready.get("message") or ready.get("reason"))) or "its Ready condition is not True"
        return Step("service", "note", f"{name} is not ready: {why}", world.where(pod.key, "spec", "containers"))
    return Step("service", "note", f"{name} is ready, yet in no EndpointSlice of this port")


def _nearest_pod(selector: LabelSelector, pods: list[Object]) -> str:
    """The pod that has the most of the wanted labels, and what it lacks."""

    def lacks(pod: Object) -> tuple[Requirement, ...]:
        return tuple(each for each in selector.requirements if not each.matches(pod.labels))

    def likeness(pod: Object) -> float:
        return sum(
            SequenceMatcher(None, pod.labels[each.key], each.values[0]).ratio()
            for each in lacks(pod)
            if each.key in pod.labels and each.values
        )

    near = [pod for pod in pods if any(each.key in pod.labels for each in selector.requirements)]
    if not near:
        return ""
    best = min(near, key=lambda pod: (len(lacks(pod)), -likeness(pod), pod.key))
    missing = lacks(best)
    has = ", ".join(f"{each.key}={best.labels[each.key]}" for each in missing if each.key in best.labels)
    return f"; nearest is pod {best.name}" + (f" with {has}" if has else "")


def service_addresses(world: World, key: Key) -> tuple[str, ...]:
    """The addresses of a Service's own frontends, cluster addresses first."""
    service = world.services.get(key)
    if service is None:
        return ()
    return tuple(dict.fromkeys(each.address for port in service.ports for each in port.frontends if each.address))


def _answers_at(service: ServiceModel, address: str) -> bool:
    return any(frontend.address == address for port in service.ports for frontend in port.frontends)
