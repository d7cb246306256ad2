"""Services in nftables: a table of a fixed number of maps, and one chain for each number of endpoints.

A frontend (address . protocol . port) leads through `vips` to a chain that draws a number below its count of endpoints;
the `endpoints` map, keyed by frontend and number, gives the endpoint. So a change of one endpoint is a change of one or
two elements, however many Services there are. NodePorts are the same without the address. Behaviour follows
kube-proxy's nftables mode: the packets that are refused, dropped and masqueraded, and the clients for which the policy
Local does not hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2s
from ipaddress import IPv4Network, IPv6Network, collapse_addresses

from sealane.dataplane.nft.chains import (
    LOCAL_OFFSET,
    MASQUERADE_MARK,
    TABLE,
    Affinity,
    Scope,
    ScopeKind,
    fixed_chains,
    follow,
    key,
    map_name,
)
from sealane.dataplane.nft.ledger import Draft, Facts, empty_table
from sealane.network.addresses import LOAD_BALANCERS, POD_GATEWAY, PODS, SERVICES, IPNetwork, NodePlan
from sealane.network.services import (
    Backend,
    Family,
    Frontend,
    Place,
    ServiceModel,
    cluster_backends,
    has_node_ports,
    local_backends,
    source_ranges,
)

REFUSE = "refuse"
FAMILIES: tuple[Family, Family] = (4, 6)
SCOPES: tuple[ScopeKind, ScopeKind] = ("vip", "nodeport")

Arrangement = Mapping[str, tuple[str, ...]]
"""For each list of endpoints of a Service: which endpoint has which number."""


def arrange(before: Sequence[str], wanted: Sequence[str]) -> tuple[str, ...]:
    """Numbers for endpoints: those that stay keep theirs, as far as the numbers stay without gaps."""
    if not before:
        return tuple(wanted)
    staying = set(wanted)
    known = set(before)
    slots: list[str | None] = [endpoint if endpoint in staying else None for endpoint in before[: len(wanted)]]
    slots += [None] * (len(wanted) - len(slots))
    waiting = [endpoint for endpoint in wanted if endpoint not in known]
    waiting += [endpoint for endpoint in before[len(wanted) :] if endpoint in staying]
    rest = iter(waiting)
    return tuple(next(rest) if endpoint is None else endpoint for endpoint in slots)


# Facts of one Service


def service_facts(service: ServiceModel, place: Place, before: Arrangement) -> tuple[Facts, dict[str, tuple[str, ...]]]:
    """The Service as seen at `place` (which matters only where it `differs_by_node`), and the arrangement it used."""
    draft = Draft()
    arrangement: dict[str, tuple[str, ...]] = {}
    for address in service.proxied:
        draft.elements[f"{TABLE} proxied{6 if ':' in address else 4} {address}"] = ""
    local = service.internal_policy == "Local" or service.external_policy == "Local"
    for port in service.ports:
        for family in FAMILIES:
            frontends = [frontend for frontend in port.frontends if frontend.family == family]
            if not frontends:
                continue
            name = f"{port.name}/{port.protocol}/{port.port}/{family}"
            everywhere = _listed(cluster_backends(port, family, place)[0], before.get(name, ()))
            here = _listed(
                local_backends(port, family, place.node)[0] if local else (), before.get(f"{name}/local", ())
            )
            arrangement[name], arrangement[f"{name}/local"] = everywhere, here
            affinity = None
            if service.affinity_seconds is not None:
                # Clients of one Service port stay with one endpoint, whichever of its addresses they use.
                affinity = Affinity(service.affinity_seconds, _digest(service.key, name))
            for frontend in frontends:
                scope = Scope("nodeport" if frontend.kind == "NodePort" else "vip", family, affinity)
                _frontend(service, frontend, scope, everywhere, here, draft)
    return draft.facts(), arrangement


def _listed(backends: Iterable[Backend], before: Sequence[str]) -> tuple[str, ...]:
    return arrange(before, [f"{backend.address} . {backend.port}" for backend in backends])


def _frontend(
    service: ServiceModel,
    frontend: Frontend,
    scope: Scope,
    everywhere: tuple[str, ...],
    here: tuple[str, ...],
    draft: Draft,
) -> None:
    """Adds a frontend's elements and the chains they lead to. everywhere, here: endpoints for Cluster and for Local."""
    elements = draft.elements
    tuple_ = f"{frontend.protocol.lower()} . {frontend.port}"
    if frontend.address:
        tuple_ = f"{frontend.address} . {tuple_}"
    if frontend.kind == "ClusterIP":
        elements[f"{scope.map('addresses')} {frontend.address}"] = ""
    ranges = _ranges(service, frontend) if frontend.kind == "LoadBalancer" else []
    if ranges:
        elements[f"{scope.map('restricted')} {tuple_}"] = ""
        for text in ranges:
            elements[f"{scope.map('allowed')} {tuple_} . {text}"] = ""
    if frontend.external and service.external_policy == "Local":
        chosen = here
        if everywhere:
            scope.lead(tuple_, "vips", "local", len(here), draft)
            scope.lead(tuple_, "shortcuts", "all", len(everywhere), draft)
            scope.endpoints(tuple_, 0, everywhere, draft)
            scope.endpoints(tuple_, LOCAL_OFFSET, here, draft)
    else:
        chosen = here if not frontend.external and service.internal_policy == "Local" else everywhere
        if chosen:
            scope.lead(tuple_, "vips", "external" if frontend.external else "internal", len(chosen), draft)
            scope.endpoints(tuple_, 0, chosen, draft)
    if not chosen:
        elements[f"{scope.map('dropped' if everywhere else 'refused')} {tuple_}"] = ""


def _ranges(service: ServiceModel, frontend: Frontend) -> list[str]:
    """The clients that may use a load-balancer address, as elements that do not overlap; nothing where everyone may."""
    given = source_ranges(service, frontend.family)
    if frontend.family == 4:
        found = [str(one).removesuffix("/32") for one in collapse_addresses(map(IPv4Network, given))]
    else:
        found = [str(one).removesuffix("/128") for one in collapse_addresses(map(IPv6Network, given))]
    return [] if found and found[0].endswith("/0") else found


def _digest(*values: object) -> str:
    return blake2s(repr(values).encode(), digest_size=6).hexdigest()


# Facts of one node


def node_facts(pod_addresses: Iterable[str]) -> Facts:
    """Pods of this node: one that reaches itself through a Service is masqueraded, or it would answer itself."""
    return Facts(
        {f"{TABLE} hairpin{6 if ':' in address else 4} {address} . {address}": "" for address in pod_addresses}
    )


def closed_facts(plan: NodePlan, allowed: tuple[str, ...]) -> Facts:
    """The addresses of a node that have no NodePorts, where nodePortAddresses says so."""
    primary = [str(address) for address in plan.addresses]
    every = [*primary, *map(str, plan.pod_side), *map(str, POD_GATEWAY)]
    return Facts(
        {
            f"{TABLE} closed{6 if ':' in address else 4} {address}": ""
            for address in every
            if not has_node_ports(address, primary, allowed)
        }
    )


def skeleton() -> str:
    """The empty table with its fixed maps and base chains, dormant; replaces all contents of the table."""
    lines = empty_table(TABLE)
    for family in FAMILIES:
        lines += _family_sets(family)
    lines += _base_chains()
    lines.append("}\n")
    return "\n".join(lines)


def _family_sets(family: Family) -> list[str]:
    address = "ipv4_addr" if family == 4 else "ipv6_addr"
    place = 0 if family == 4 else 1
    lines = [
        _interval_set(f"pods{family}", address, [PODS[place]]),
        _interval_set(f"unmasqueraded{family}", address, [PODS[place], SERVICES[place]]),
        _interval_set(f"services{family}", address, [SERVICES[place]]),
        _interval_set(f"loadbalancers{family}", address, [LOAD_BALANCERS[place]]),
        f"set addresses{family} {{ type {address}; }}",
        f"set proxied{family} {{ type {address}; }}",
        f"set closed{family} {{ type {address}; }}",
        f"set hairpin{family} {{ type {address} . {address}; }}",
        f"set restricted{family} {{ type {address} . inet_proto . inet_service; }}",
        f"set allowed{family} {{ type {address} . inet_proto . inet_service . {address}; flags interval; }}",
    ]
    for kind in SCOPES:
        types = "inet_proto . inet_service"
        if kind == "vip":
            types = f"{address} . {types}"

        def named(name: str, kind: ScopeKind = kind) -> str:
            return map_name(kind, name, family)

        lines += [
            *(f"map {named(name)} {{ type {types} : mark; }}" for name in ("vips", "shortcuts")),
            *(f"map {named(name)} {{ type mark : verdict; }}" for name in ("chains", "shortcut-chains")),
            *(f"map {named(name)} {{ type {types} : verdict; }}" for name in ("own-vips", "own-shortcuts")),
            *(f"set {named(name)} {{ type {types}; }}" for name in ("refused", "dropped")),
            f"map {named('endpoints')} {{ type {types} . mark : {address} . inet_service; }}",
            f"map {named('drawn')} {{ type {types} . mark : mark; }}",
            f"map {named('sticky')} {{ type {types} . mark : {address} . inet_service; }}",
        ]
    return lines


def _interval_set(name: str, kind: str, ranges: Sequence[IPNetwork]) -> str:
    return f"set {name} {{ type {kind}; flags interval; elements = {{ {', '.join(map(str, ranges))} }}; }}"


def _base_chains() -> list[str]:
    vip4, vip6, port = key("vip", 4), key("vip", 6), key("nodeport", 4)
    # Loopback addresses are no node addresses: their packets could not be answered from elsewhere.
    local = {
        4: "fib daddr type local ip daddr != 127.0.0.0/8 ip daddr != @closed4",
        6: "fib daddr type local ip6 daddr != ::1 ip6 daddr != @closed6",
    }
    return [
        *(
            f"chain {name} {{ {rule}; }}"
            for family in FAMILIES
            for kind in SCOPES
            for name, rule in fixed_chains(kind, family).items()
        ),
        f"chain {REFUSE} {{ meta l4proto tcp reject with tcp reset; reject; }}",
        "chain translate {",
        *(follow("vip", family, "vips", own=own) for own in (True, False) for family in FAMILIES),
        *(f"{local[family]} {follow('nodeport', family, 'vips', own=True)}" for family in FAMILIES),
        *(f"{local[family]} {follow('nodeport', family, 'vips', own=False)}" for family in FAMILIES),
        "}",
        "chain translate-prerouting { type nat hook prerouting priority dstnat; jump translate; }",
        "chain translate-output { type nat hook output priority -100; jump translate; }",
        # Source ranges are asked before translation, while the load balancer's address is still there.
        "chain restrict {",
        f"{vip4} @restricted4 {vip4} . ip saddr != @allowed4 drop",
        f"{vip6} @restricted6 {vip6} . ip6 saddr != @allowed6 drop",
        "}",
        "chain restrict-prerouting { type filter hook prerouting priority dstnat - 10; ct state new jump restrict; }",
        "chain restrict-output { type filter hook output priority -110; ct state new jump restrict; }",
        # A packet that still has a Service's address after translation has no endpoint.
        "chain unserved {",
        f"{vip4} @dropped4 drop",
        f"{vip6} @dropped6 drop",
        f"{vip4} @refused4 goto {REFUSE}",
        f"{vip6} @refused6 goto {REFUSE}",
        f"ip daddr @addresses4 goto {REFUSE}",
        f"ip6 daddr @addresses6 goto {REFUSE}",
        "ip daddr @proxied4 return",  # the load balancer itself answers there
        "ip6 daddr @proxied6 return",
        f"ip daddr @loadbalancers4 goto {REFUSE}",
        f"ip6 daddr @loadbalancers6 goto {REFUSE}",
        "ip daddr @services4 drop",
        "ip6 daddr @services6 drop",
        "}",
        "chain unserved-local {",
        *(f"{local[family]} {port} @nodeport-refused{family} goto {REFUSE}" for family in FAMILIES),
        *(f"{local[family]} {port} @nodeport-dropped{family} drop" for family in FAMILIES),
        "}",
        "chain unserved-forward { type filter hook forward priority filter - 10; ct state new jump unserved; }",
        "chain unserved-input { type filter hook input priority filter - 10; ct state new jump unserved-local; }",
        "chain unserved-output { type filter hook output priority filter - 10; ct state new jump unserved; "
        "ct state new jump unserved-local; }",
        "chain source-nat {",
        "type nat hook postrouting priority srcnat;",
        f"meta mark & {MASQUERADE_MARK:#x} != 0 meta mark set meta mark & {~MASQUERADE_MARK & 0xFFFFFFFF:#x} "
        "masquerade fully-random",
        "ct status dnat ip saddr . ip daddr @hairpin4 masquerade fully-random",
        "ct status dnat ip6 saddr . ip6 daddr @hairpin6 masquerade fully-random",
        # Packets that leave the cluster have the node's address, as with ip-masq-agent.
        "ip saddr @pods4 ip daddr != @unmasqueraded4 masquerade fully-random",
        "ip6 saddr @pods6 ip6 daddr != @unmasqueraded6 masquerade fully-random",
        "}",
    ]
