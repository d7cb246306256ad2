"""From a name to addresses: the search path, each query it costs, and whether the DNS server can be asked at all."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches

from sealane.explain.legs import Candidate, leg
from sealane.explain.parties import Place
from sealane.explain.steps import Step
from sealane.explain.world import World
from sealane.network.names import Asked, Resolution, Resolver, pod_resolver, resolution
from sealane.network.services import Place as NodePlace
from sealane.network.services import find_frontend, select_backends


@dataclass(frozen=True, slots=True)
class Resolved:
    """addresses: the addresses of the name, IPv4 first; empty when it does not resolve. name: that which answered.

    foreign: True when only a server outside the cluster can know the name.
    """

    step: Step
    addresses: tuple[str, ...] = ()
    name: str = ""
    foreign: bool = False


def resolve(world: World, source: Place, name: str) -> Resolved:
    """The meaning of `name` to `source`. Only pods that use the cluster's DNS know cluster names."""
    if source.pod is None:
        return _without_cluster_dns(world, source, name, Step("name", "note", f"{name} is no name of the cluster"))
    resolver = pod_resolver(source.pod)
    where = world.where(source.pod.key, "spec", "dnsPolicy")
    if not resolver.nameservers:
        text = f"dnsPolicy {source.pod.spec.get('dnsPolicy')}: {source.text} asks its node's DNS, not the cluster's"
        return _without_cluster_dns(world, source, name, Step("name", "note", text, where))
    refused = _server_out_of_reach(world, source, resolver.nameservers[0])
    if refused is not None:
        return Resolved(refused)
    found = resolution(name, resolver, world.zone)
    return _told(world, source, name, found, _search_path(resolver, where))


def _search_path(resolver: Resolver, where: str) -> Step:
    """The names that the pod's resolv.conf makes of one."""
    path = " ".join(resolver.searches) or "none"
    return Step("name", "note", f"nameserver {resolver.nameservers[0]}, search {path}, ndots {resolver.ndots}", where)


def _told(world: World, source: Place, name: str, found: Resolution, path: Step) -> Resolved:
    """The lookup as one step, with one part for each name of the search path that is asked for."""
    parts = (path, *(_part(asked, found.types) for asked in found.asked))
    cost = f"({found.queries} quer{'y' if found.queries == 1 else 'ies'})"
    last = found.answer
    full = f"{last.name}: " if last.name != name.rstrip(".").lower() else ""
    addresses = last.data
    if addresses:
        text = f"{name} is {full}{', '.join(addresses[:4])} {cost}"
        return Resolved(Step("name", "pass", text, parts=parts), addresses, last.name)
    if last.elsewhere and "." in last.elsewhere:
        alias = last.elsewhere != last.name
        what = f"an alias of {last.elsewhere}, outside" if alias else "no name of the cluster: one outside answers"
        return Resolved(Step("name", "note", f"{name} is {full}{what} {cost}", parts=parts), (), last.elsewhere, True)
    text = f"{name} is {_why_unknown(world, source, name)} {cost}"
    return Resolved(Step("name", "stop", text, parts=parts, outcome="unresolved"))


def _part(asked: Asked, types: tuple[str, ...]) -> Step:
    """One name of the search path: what it costs and what is answered."""
    cost = " + ".join(types)
    aliases = [record.data.rstrip(".") for record in asked.records if record.type == "CNAME"]
    if asked.data:
        via = f" via {aliases[-1]}" if aliases else ""
        return Step("name", "pass", f"{asked.name} {cost}: {', '.join(asked.data)}{via}")
    if aliases:
        return Step("name", "note", f"{asked.name} {cost}: alias of {asked.elsewhere or aliases[-1]}, asked upstream")
    if asked.elsewhere and "." not in asked.elsewhere:
        return Step("name", "note", f"{asked.name} {cost}: a single label is no name anywhere else")
    if asked.elsewhere:
        return Step("name", "note", f"{asked.name} {cost}: not the cluster's, asked upstream")
    missing = all(outcome == "no such name" for outcome in asked.outcomes)
    return Step("name", "note", f"{asked.name} {cost}: {'NXDOMAIN' if missing else 'exists without an address'}")


def _without_cluster_dns(world: World, source: Place, name: str, note: Step) -> Resolved:
    """To whom only other DNS servers answer. `note` is the step when these may know the name."""
    absolute = name.rstrip(".").lower()
    if world.zone.lookup(absolute, "A").outcome == "not ours" and "." in absolute:
        return Resolved(note, foreign=True)
    text = f"{source.text} does not ask the cluster's DNS, so it does not know {name}"
    return Resolved(Step("name", "stop", text, note.at, outcome="unresolved"))


def _server_out_of_reach(world: World, source: Place, server: str) -> Step | None:
    """The step that stops a pod from asking its DNS server, or None when it can."""
    found = find_frontend(world.services, server, "UDP", 53)
    if found is None:
        return None
    service, port, frontend = found
    selection = select_backends(service, port, frontend, NodePlace(source.node, world.zone_of(source.node)))
    where = world.at(selection.reason.source)
    if selection.verdict != "forward":
        text = f"cannot ask the DNS server {server} ({service.key}): {selection.reason.text}"
        return Step("name", "stop", text, where, outcome="unresolved")
    legs = [leg(world, source, Candidate(backend.address, backend.port, "UDP")) for backend in selection.backends]
    if any(each.endpoint.allowed for each in legs):
        return None
    stopped = legs[0].steps[-1]
    text = f"cannot ask the DNS server {server}: {stopped.text}"
    return Step("name", "stop", text, stopped.at, outcome="unresolved")


def _why_unknown(world: World, source: Place, name: str) -> str:
    """The Service that was probably meant."""
    first, _, rest = name.rstrip(".").partition(".")
    elsewhere = sorted(key.namespace for key in world.services if key.name == first)
    own = source.pod.namespace if source.pod is not None else ""
    space = rest.partition(".")[0]
    for namespace in elsewhere:
        service = world.services.get(next(key for key in world.services if key[2:] == (namespace, first)))
        if namespace in (space, *(() if space else (own,))) and service is not None and service.headless:
            return f"no name: headless Service {namespace}/{first} has no ready endpoint"
    if elsewhere and own not in elsewhere:
        return f"no name in the cluster; Service {first} is in namespace {', '.join(elsewhere)}: {first}.{elsewhere[0]}"
    near = get_close_matches(first, sorted(key.name for key in world.services if key.namespace == (space or own)), 1)
    return "no name in the cluster" + (f"; did you mean {near[0]}?" if near else "")
