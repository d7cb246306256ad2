"""Golden pairs: what a folder's manifests mean, as text of one fact a line.

A case is a folder tests/unit/cases/NAME. In it objects.yaml goes in (or `objects`, a link to a folder of manifests).
Out come, where there is something to say:

    model.txt      Services with their endpoints, names, policies, virtual hosts with their rules
    statuses.yaml  what Gateways, routes and Ingresses get as status, a condition a line
    envoy.yaml     scoped routes and endpoints of Envoy
    trace.txt      questions (lines "? FROM -> TO [port PORT] [in NAMESPACE]") and what `trace` answers
    node-1.nft     nftables commands of node-1, in the cases that have this file

`make golden` writes them anew (trace.txt for the questions that stand in it), to be read before they are committed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import yaml
from google.protobuf import json_format, message
from msgspec.structs import replace

from sealane.cluster import bootstrap
from sealane.dataplane.envoy import clusters, names, routes, tls
from sealane.dataplane.nft.ledger import Ledger, transaction
from sealane.dataplane.nft.policies import peer_facts, pod_facts, policy_facts
from sealane.dataplane.nft.services import node_facts, service_facts
from sealane.explain.expect import expected
from sealane.explain.parties import Unknown
from sealane.explain.steps import Step
from sealane.explain.trace import trace
from sealane.explain.world import World
from sealane.kube.manifests import load
from sealane.kube.objects import Object
from sealane.network.model import Network
from sealane.network.policies import ResolvedRule
from sealane.network.routes.evaluate import describe
from sealane.network.routes.filters.headers import HeaderEdit
from sealane.network.routes.filters.redirect import Redirect
from sealane.network.routes.hosts import is_wildcard
from sealane.network.routes.model.http import Action, Forward, HostKey, Respond, Rule
from sealane.network.routes.model.http import Backend as Target
from sealane.network.routes.model.l4 import OpenPort, PortKey
from sealane.network.routes.model.tls import Chain, chain_for
from sealane.network.services import Backend, Place, ServiceModel

CASES = Path(__file__).parent / "unit" / "cases"
NAMES = sorted(path.name for path in CASES.iterdir() if path.is_dir())
K = TypeVar("K")
V = TypeVar("V")


def manifests(case: Path) -> list[Object]:
    loaded = load([next(case.glob("objects*"))])
    assert not loaded.problems, [str(problem) for problem in loaded.problems]
    return [Object(item.raw, replace(item.origin, file=Path(item.origin.file).name)) for item in loaded.objects]


def cluster_with(objects: Iterable[Object]) -> World:
    """A cluster of which everything has come true that follows from `objects`."""
    return World(expected([*(Object(raw) for _, raw in bootstrap.objects(2)), *objects]))


@cache
def empty_cluster() -> World:
    return cluster_with(())


@cache
def world(case: Path) -> World:
    return cluster_with(manifests(case))


def networks(case: Path) -> tuple[Network, Network]:
    """The case's, and that of a cluster without it."""
    return world(case).network, empty_cluster().network


def own(found: Mapping[K, V], always: Mapping[K, V]) -> list[tuple[K, V]]:
    """What the case adds to a cluster without it, in the order of keys."""
    return [(key, value) for key, value in sorted(found.items(), key=lambda item: str(item[0])) if key not in always]


# Model


def model(case: Path) -> str:
    here, base = networks(case)
    lines: list[str] = []

    def section(title: str, found: Iterable[str]) -> None:
        if some := [f"  {line}" for line in found]:
            lines.extend((title, *some))

    for _, service in own(here.services, base.services):
        section(f"Service {service.key.namespace}/{service.key.name}: {_service(service)}", _ports(service))
    section("names", sorted(_names(here, base)))
    for key, resolved in sorted(here.policies.resolved.items()):
        rules = [*_rules("ingress", resolved.ingress), *_rules("egress", resolved.egress)]
        title = f"{key} for pods {resolved.policy.pods}"
        if resolved.policy.tier != "NetworkPolicy":
            policy = resolved.policy
            title = f"{key}, {policy.tier} tier, priority {policy.priority}, for {policy.subject}"
        section(title, rules or ["allows nothing"])
    isolated = (item for _, item in sorted(here.policies.isolation.items()) if item.ingress or item.egress)
    section(
        "isolated",
        (
            f"{item.pod.namespace}/{item.pod.name}: {direction} by {', '.join(key.name for key in keys)}"
            for item in isolated
            for direction, keys in (("ingress", item.ingress), ("egress", item.egress))
            if keys
        ),
    )
    for port, opened in sorted(here.routes.ports.items()):
        section(f"TLS at {port.proxy.namespace}/{port.proxy.name}:{port.port}", _chains(opened))
    for key, stream in sorted(here.routes.streams.items()):
        title = f"{key.hostname or '*'} at {key.proxy.namespace}/{key.proxy.name}:{key.port}/{key.transport} passes to"
        section(f"{title}  ({stream.origin})", map(_target, stream.backends))
    for _, host in sorted(here.routes.hosts.items()):
        key = host.key
        title = f"host {key.hostname or '*'} at {key.proxy.namespace}/{key.proxy.name}:{key.port}"
        section(title, [line for rule in host.rules for line in _rule(rule)] or ["answers 404"])
    for _, backend in sorted(here.routes.backends.items(), key=str):
        addresses = (f"{_host(address)}:{port}" for address, port in backend.addresses)
        protocol = f" ({backend.app_protocol})" if backend.app_protocol else ""
        of = backend.key
        use = f" for {of.use}" if of.use != "http" else ""
        alone = f" from {of.proxy.namespace}/{of.proxy.name}" if of.proxy is not None else ""
        title = f"backend {of.service.namespace}/{of.service.name}:{of.port}{protocol}{use}{alone}"
        if backend.tls is not None:
            wanted = ", ".join(f"{kind} {name}" for kind, name in backend.tls.names)
            title += f" over TLS as {backend.tls.server_name}, verified for {wanted}"
        if backend.certificate is not None:
            title += f", with the certificate of {backend.certificate}"
        section(title, list(addresses) or [backend.problem or "has no endpoint"])
    return "".join(f"{line}\n" for line in lines)


def _names(here: Network, base: Network) -> Iterator[str]:
    of_services, of_namespaces = (own(*names) for names in zip(here.names.of(), base.names.of(), strict=True))
    yield from (str(record) for _, data in of_services for record in data.records)
    yield from (f"{name}. is there" for _, data in of_namespaces for name in data.empty)


def _service(service: ServiceModel) -> str:
    facts = {
        f"name for {service.external_name}": service.external_name,
        "headless": service.headless,
        "internalTrafficPolicy Local": service.internal_policy == "Local",
        "externalTrafficPolicy Local": service.external_policy == "Local",
        f"each client keeps its endpoint for {service.affinity_seconds} s": service.affinity_seconds,
        f"only for {', '.join(service.source_ranges)}": service.source_ranges,
        f"healthCheckNodePort {service.health_check_port}": service.health_check_port,
        f"proxied {', '.join(service.proxied)}": service.proxied,
        **{f"{frontend} belongs to {rival}": True for frontend, rival in service.shadowed},
    }
    return ", ".join([service.type, *(text for text, is_so in facts.items() if is_so)])


def _ports(service: ServiceModel) -> Iterator[str]:
    for port in service.ports:
        named = (str(each) if each.kind == "NodePort" else f"{each.kind} {each}" for each in port.frontends)
        frontends = ", ".join(dict.fromkeys(named))
        yield f"{port.name or port.port}: {frontends or f'{port.port}/{port.protocol}'}"
        yield from (f"  {_backend(backend)}" for backend in port.backends)


def _backend(backend: Backend) -> str:
    facts = {
        f"{backend.target.namespace}/{backend.target.name}" if backend.target else "": backend.target,
        f"on {backend.node}": backend.node,
        "not ready": not backend.ready,
        "serving": backend.serving and not backend.ready,
        "terminating": backend.terminating,
        f"for zone {', '.join(backend.zones)}": backend.zones,
        f"for node {', '.join(backend.nodes)}": backend.nodes,
    }
    address = f"{_host(backend.address)}:{backend.port}"
    return ", ".join([address, *(text for text, is_so in facts.items() if is_so)])


def _host(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _rules(direction: str, rules: Iterable[ResolvedRule]) -> Iterator[str]:
    for each in rules:
        ports = ", ".join(map(str, each.rule.ports)) or "every port"
        named = {f"{_host(address)}:{port}/{protocol}" for found in each.named for address, protocol, port in found}
        word = "from" if direction == "ingress" else "to"
        verdict = each.rule.verdict
        said = "" if verdict == "Accept" and each.rule.provenance.key.kind == "NetworkPolicy" else f"{verdict} "
        yield f"{said}{direction} on {ports}" + (f" ({', '.join(sorted(named))})" if named else "")
        for peer, members in zip(each.rule.peers, each.members, strict=True):
            yield f"  {word} {peer}" + (f": {', '.join(sorted(members))}" if members else "")
        if not each.rule.peers:
            yield f"  {word} everyone"


def _chains(port: OpenPort) -> Iterator[str]:
    for chain in port.chains:
        secrets = ", ".join(f"{ref.secret.namespace}/{ref.secret.name}" for ref in chain.certificates)
        ends = secrets if chain.http or not secrets else f"{secrets}, then whatever is said"
        clients = ""
        if chain.clients is not None:
            clients = ", clients may show certificates" if chain.clients.optional else ", clients show certificates"
        yield f"{chain.hostname or '*'}: {ends or 'passed through'}{clients}  ({chain.origin})"


def _rule(rule: Rule) -> Iterator[str]:
    named = f"{rule.name}: " if rule.name else ""
    yield f"{named}{describe(rule.match)}: {_action(rule.action)}  ({rule.origin})"
    if rule.cors is not None:
        yield f"  {rule.cors}"
    if rule.auth is not None:
        yield f"  {rule.auth}"
    yield from _edits(rule.request_headers, rule.response_headers)
    if isinstance(rule.action, Forward):
        for backend in rule.action.backends:
            host = f", as host {backend.rewrite.hostname}" if backend.rewrite and backend.rewrite.hostname else ""
            yield f"  {_target(backend)}{host}"
            yield from (f"  {line}" for line in _edits(backend.request_headers, backend.response_headers))
        for mirror in rule.action.mirrors:
            target = f"{mirror.service.namespace}/{mirror.service.name}:{mirror.port}"
            yield f"  {mirror.fraction:g} of requests mirrored to {target}"


def _target(backend: Target) -> str:
    problem = f": {backend.refusal}, {backend.problem}" if backend.problem else ""
    use = f" ({backend.use})" if backend.use != "http" else ""
    return f"{backend.weight} × {backend.service.namespace}/{backend.service.name}:{backend.port}{use}{problem}"


def _action(action: Action) -> str:
    match action:
        case Respond(status, _, ""):
            return f"answered with {status}"
        case Respond(status, _, location):
            return f"redirect {status}: {location}"
        case Redirect():
            path = action.path and f"{action.path.kind} path {action.path.value}"
            parts = (action.scheme, action.hostname, action.port and f"port {action.port}", path)
            return " ".join([f"redirect {action.status}:", *(str(part) for part in parts if part)])
        case Forward():
            rewrite = action.rewrite
            facts = (
                rewrite and rewrite.hostname and f"host becomes {rewrite.hostname}",
                rewrite and rewrite.path and f"{rewrite.path.kind} path becomes {rewrite.path.value}",
                action.request_timeout and f"{action.request_timeout:g} s in all",
                action.idle_timeout and f"{action.idle_timeout:g} s of silence",
                action.backend_timeout and f"{action.backend_timeout:g} s a try",
                action.retry,
                action.session,
            )
            return ", ".join(["forward", *(str(fact) for fact in facts if fact)])


def _edits(request: HeaderEdit | None, response: HeaderEdit | None) -> Iterator[str]:
    for what, edit in (("request", request), ("response", response)):
        if edit is not None:
            changes = [f"{name}: {value}" for name, value in edit.set]
            changes += [f"{name}: that of {asked}" for name, asked in edit.echo]
            changes += [f"+{name}: {value}" for name, value in edit.add] + [f"-{name}" for name in edit.remove]
            yield f"  {what} headers {', '.join(changes)}"


# Statuses


def statuses(case: Path) -> str:
    here, base = (network.routes.statuses for network in networks(case))
    found = {str(key): _status(item.status) for kind in sorted(here) for key, item in own(here[kind], base[kind])}
    return _yaml(found)


def _status(value: Any) -> Any:
    """Conditions in one line each; what is the same in every status left out."""
    if isinstance(value, list):
        return [_status(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "observedGeneration" in value:
        message = f": {value['message']}" if value["message"] else ""
        return f"{value['type']} {value['status']} {value['reason']}{message}"
    return {key: _status(item) for key, item in value.items() if key not in ("supportedFeatures", "controllerName")}


# Envoy


def envoy(case: Path) -> str:
    """What is the same in every route (retries) is left out."""
    here = world(case).network.routes
    found = [host for _, host in sorted(here.hosts.items())]

    def chain(key: HostKey) -> Chain | None:
        return (
            chain_for(opened.chains, key.hostname) if (opened := here.ports.get(PortKey(key.proxy, key.port))) else None
        )

    scopes = [routes.scope(host, chain(host.key)) for host in found if not is_wildcard(host.key.hostname)]
    for port, opened in sorted(here.ports.items()):
        for each in opened.chains or (None,):
            wild = [
                host
                for host in found
                if host.key[:2] == port[:2] and is_wildcard(host.key.hostname) and chain(host.key) == each
            ]
            scopes += [routes.wildcard_scope(wild, each)] if wild else []
    out = {scope.name: [_plain(item) for item in scope.route_configuration.virtual_hosts] for scope in scopes}
    endpoints = [_plain(clusters.endpoints(backend)) for _, backend in sorted(here.backends.items(), key=str)]
    ends = {
        names.certified(port.proxy, port.port, each): {
            "match": _plain(tls.chain_match(each.hostname)),
            "certificates": [names.secret(ref.secret) for ref in each.certificates],
        }
        for port, opened in sorted(here.ports.items())
        for each in opened.chains
    }
    return _yaml({key: part for key, part in (("tls", ends), ("scopes", out), ("endpoints", endpoints)) if part})


def _plain(value: message.Message) -> Any:
    plain = json.loads(json_format.MessageToJson(value, preserving_proto_field_name=True))
    for item in plain.get("routes", ()):
        if "typed_per_filter_config" in item:  # a map, in any order
            item["typed_per_filter_config"] = dict(sorted(item["typed_per_filter_config"].items()))
            for each in item["typed_per_filter_config"].values():
                if "filter_context" in each:
                    each["filter_context"] = dict(sorted(each["filter_context"].items()))
        if item.get("route"):
            if "cluster_not_found_response_code" not in item["route"]:  # what is left out is 503
                item["route"]["without_cluster"] = 503
            item["route"].pop("cluster_not_found_response_code", None)
            retry = item["route"].pop("retry_policy")
            if retry["retry_on"] != "connect-failure,refused-stream,reset-before-request":
                kept = ("retry_on", "num_retries", "retriable_status_codes", "retry_back_off")
                item["route"]["retry_policy"] = {key: retry[key] for key in kept if key in retry}
            if "per_try_timeout" in retry:
                item["route"]["per_try_timeout"] = retry["per_try_timeout"]
            elif "retry_policy" not in item["route"]:
                assert item["request_headers_to_add"].pop()["header"]["key"] == "x-envoy-retry-on"
                if not item["request_headers_to_add"]:
                    del item["request_headers_to_add"]
    return plain


# Traces


def traces(case: Path) -> str:
    asked = case / "trace.txt"
    lines = [line for line in asked.read_text().splitlines() if line.startswith("? ")] if asked.exists() else []
    return "\n".join("".join(f"{line}\n" for line in (question, *_answer(question, case))) for question in lines)


def _answer(question: str, case: Path) -> Iterator[str]:
    source, _, rest = question.removeprefix("? ").partition(" -> ")
    rest, _, namespace = rest.partition(" in ")
    target, _, port = rest.partition(" port ")
    try:
        found = trace(world(case), source, target, namespace or "default", port or None)
    except Unknown as error:
        yield f"  error: {error}"
        return
    for step in found.steps:
        yield from _step(step, "  ")
    yield f"  {found.verdict}: {found.reason}"


def _step(step: Step, indent: str) -> Iterator[str]:
    at = f"  @ {step.at}" if step.at else ""
    yield f"{indent}{step.mark} {step.hop}: {step.text}{at}"
    for part in step.parts:
        yield from _step(part, indent + "  ")


# nftables


def nftables(case: Path) -> str:
    if not (case / "node-1.nft").exists():
        return ""
    here, base = networks(case)
    ledger = Ledger()
    for key, service in own(here.services, base.services):
        ledger.put(key, service_facts(service, Place("node-1"), {})[0])
    for key, resolved in here.policies.resolved.items():
        ledger.put(key, policy_facts(resolved))
    for peer, addresses in sorted(here.policies.members.items(), key=lambda each: str(each[0])):  # sets have no order
        ledger.put(peer, peer_facts(peer, addresses))
    for key, isolation in own(here.policies.isolation, base.policies.isolation):
        if isolation.node == "node-1":
            ledger.put(key, pod_facts(isolation))
            ledger.put(("hairpin", key), node_facts(isolation.addresses))
    return transaction(ledger.everything())


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def _yaml(value: Any) -> str:
    return yaml.dump(value, sort_keys=False, width=120, allow_unicode=True, Dumper=_Dumper) if value else ""


OUTPUTS: dict[str, Callable[[Path], str]] = {
    "model.txt": model,
    "statuses.yaml": statuses,
    "envoy.yaml": envoy,
    "trace.txt": traces,
    "node-1.nft": nftables,
}
