"""From a name to addresses: the search path, each query it costs, and whether the DNS server can be asked at all."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches

from sealane.explain.legs import Candidate, leg
from sealane.explain.parties import Place
from sealane.explain.steps import Step
from sealane.explain.world import World
from sealane.network.names import Answer, pod_resolver, queries
from sealane.network.services import Place as NodePlace
from sealane.network.services import find_frontend, select_backends

MAX_CHAIN = 8


@dataclass(frozen=True, slots=True)
class Resolved:
    """addresses: what the name stands for, IPv4 first; empty when it does not resolve. name: that which answered.

    foreign: True when only a server outside the cluster can know the name.
    """

    step: Step
    addresses: tuple[str, ...] = ()
    name: str = ""
    foreign: bool = False


def resolve(world: World, source: Place, name: str) -> Resolved:
    """What `name` means to `source`. Only pods that use the cluster's DNS know cluster names."""
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
    asked: list[Step] = []
    for query in queries(name, resolver):
        answers = [world.zone.lookup(query, type_) for type_ in ("A", "AAAA")]
        if answers[0].outcome == "not ours" and "." not in query:
            asked.append(Step("name", "note", f"{query}: a single label is no name anywhere else"))
            continue
        if answers[0].outcome == "not ours":
            asked.append(Step("name", "note", f"{query}: not the cluster's, asked upstream"))
            return Resolved(
                _step(name, query, (), asked, "note", "a server outside the cluster answers"), (), query, True
            )
        addresses, alias = _follow(world, answers)
        via = f" via {alias}" if alias else ""
        if addresses:
            asked.append(Step("name", "pass", f"{query}: {', '.join(addresses)}{via}"))
            return Resolved(_step(name, query, addresses, asked, "pass", ", ".join(addresses[:4])), addresses, query)
        if alias:
            asked.append(Step("name", "note", f"{query}: alias of {alias}, asked upstream"))
            return Resolved(_step(name, query, (), asked, "note", f"an alias of {alias}, outside"), (), alias, True)
        word = "NXDOMAIN" if answers[0].outcome == "no such name" else "exists without an address"
        asked.append(Step("name", "note", f"{query}: {word}"))
    return Resolved(_step(name, "", (), asked, "stop", _why_unknown(world, source, name)))


def _without_cluster_dns(world: World, source: Place, name: str, note: Step) -> Resolved:
    """To whom only other DNS servers answer. `note` is the step when these may know the name."""
    absolute = name.rstrip(".").lower()
    if world.zone.lookup(absolute, "A").outcome == "not ours" and "." in absolute:
        return Resolved(note, foreign=True)
    text = f"{source.text} does not ask the cluster's DNS, so it does not know {name}"
    return Resolved(Step("name", "stop", text, note.at))


def _step(name: str, answered: str, addresses: tuple[str, ...], asked: list[Step], mark: str, result: str) -> Step:
    count = f"{2 * len(asked)} queries"  # A and AAAA of each name
    full = f"{answered}: " if answered and answered != name else ""
    marks = {"pass": "pass", "stop": "stop"}
    return Step("name", marks.get(mark, "note"), f"{name} is {full}{result} ({count})", parts=tuple(asked))  # type: ignore[arg-type]


def _follow(world: World, answers: list[Answer]) -> tuple[tuple[str, ...], str]:
    """Addresses behind the answers, and the alias they came by (the last one, if it leads nowhere we know)."""
    addresses: list[str] = []
    alias = ""
    for answer, type_ in zip(answers, ("A", "AAAA"), strict=True):
        for _ in range(MAX_CHAIN):
            if answer.outcome != "answer" or answer.records[0].type != "CNAME":
                break
            alias = answer.records[0].data.rstrip(".")
            answer = world.zone.lookup(alias, type_)
        addresses += [record.data for record in answer.records if record.type == type_]
    return tuple(addresses), alias


def _server_out_of_reach(world: World, source: Place, server: str) -> Step | None:
    """The step that stops a pod from asking its DNS server, or None when it can."""
    found = find_frontend(world.services, server, "UDP", 53)
    if found is None:
        return None
    service, port, frontend = found
    selection = select_backends(service, port, frontend, NodePlace(source.node, world.zone_of(source.node)))
    where = world.at(selection.provenance)
    if selection.verdict != "forward":
        text = f"cannot ask the DNS server {server} ({service.key}): {selection.reason}"
        return Step("name", "stop", text, where)
    legs = [leg(world, source, Candidate(backend.address, backend.port, "UDP")) for backend in selection.backends]
    if any(each.endpoint.allowed for each in legs):
        return None
    stopped = legs[0].steps[-1]
    return Step("name", "stop", f"cannot ask the DNS server {server}: {stopped.text}", stopped.at)


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
