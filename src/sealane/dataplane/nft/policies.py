"""Policies in nftables: verdict maps by pod address, a chain for each policy and direction, and a set
for each peer that rules name.

Only pods of the node have entries: egress is asked where a packet starts, ingress where it ends, both in the forward
hook, where Services are already translated. Tiers are asked in turn: the maps lead into the chain of a pod's first
tier, and those of `next` from its admin tier, where that passes or says nothing, into the one after it.

Packets of the node itself pass the output and input hooks, so a pod and its own node always reach each other. Egress
and ingress are two base chains, so `accept` in one leads to the other.

An address behind a pod link that is not `known` gets and sends nothing. So a pod is isolated before it starts, as
https://kubernetes.io/docs/concepts/services-networking/network-policies/#pod-lifecycle-and-network-policies asks.
"""

from __future__ import annotations

from hashlib import blake2s

from sealane.dataplane.linux.topology import POD_LINK_PREFIX
from sealane.dataplane.nft.ledger import Declaration, Facts, empty_table
from sealane.kube.objects import Key
from sealane.network.policies import (
    BlockPeer,
    Direction,
    DomainPeer,
    Isolation,
    Policy,
    PolicyPort,
    ResolvedPolicy,
    ResolvedRule,
    Rule,
    SelectedPeer,
)

TABLE = "sealane-policies"
_ADDRESSES = {4: Declaration("set", "type ipv4_addr;"), 6: Declaration("set", "type ipv6_addr;")}
POD_LINKS = f"{POD_LINK_PREFIX}*"
DIRECTIONS: tuple[Direction, Direction] = ("ingress", "egress")


def skeleton() -> str:
    """The empty table with its verdict maps and base chains, dormant; replaces all contents of the table."""
    lines = empty_table(TABLE)
    for family, kind in ((4, "ipv4_addr"), (6, "ipv6_addr")):
        for direction in DIRECTIONS:
            lines.append(f"map {direction}{family} {{ type {kind} : verdict; }}")
            lines.append(f"map {direction}-next{family} {{ type {kind} : verdict; }}")
        lines.append(f"set itself{family} {{ type {kind} . {kind}; }}")
        lines.append(f"set known{family} {{ type {kind}; }}")
    for direction, end, link, priority in (
        ("egress", "saddr", "iifname", "filter"),
        ("ingress", "daddr", "oifname", "filter + 1"),
    ):
        lines += [
            f"chain {direction} {{",
            f"type filter hook forward priority {priority};",
            "ct state established,related,untracked accept",  # untracked: see `answers`
            f'{link} "{POD_LINKS}" ip {end} != @known4 drop',
            f'{link} "{POD_LINKS}" ip6 {end} != @known6 drop',
            "ip saddr . ip daddr @itself4 accept",
            "ip6 saddr . ip6 daddr @itself6 accept",
            f"ip {end} vmap @{direction}4",
            f"ip6 {end} vmap @{direction}6",
            "}",
            f"chain {direction}-next {{",
            f"ip {end} vmap @{direction}-next4",
            f"ip6 {end} vmap @{direction}-next6",
            "accept",
            "}",
        ]
    lines.append("}\n")
    return "\n".join(lines)


def pod_facts(isolation: Isolation, log_group: int | None = None) -> Facts:
    """A pod of this node: into which chains its traffic goes. Pods under the same policies of a tier share a chain.

    log_group: nflog group to which the first packet of each denied connection is copied.
    """
    elements = {f"{TABLE} known{_family(address)} {address}": "" for address in isolation.addresses}
    chains: dict[str, tuple[str, ...]] = {}
    for direction in DIRECTIONS:
        log = () if log_group is None else (_log(direction, log_group),)
        maps = [direction, f"{direction}-next"]
        # A NetworkPolicy has the last word: only where a pod has none is its baseline asked.
        isolating = isolation.policies(direction, "NetworkPolicy")
        below = (
            ("of", isolating, (*log, "counter drop"))
            if isolating
            else ("baseline-of", isolation.policies(direction, "Baseline"), ("accept",))
        )
        admin = ("admin-of", isolation.policies(direction, "Admin"), (f"goto {direction}-next",))
        for name, policies, last in (admin, below):
            if not policies:
                continue
            chain = f"{direction}-{name}-{_digest(policies)}"
            jumps = (f"jump {policy_chain(policy, direction)}" for policy in policies)
            chains[f"{TABLE} {chain}"] = (*jumps, *last)
            leading = maps.pop(0)
            for address in isolation.addresses:
                elements[f"{TABLE} {leading}{_family(address)} {address}"] = f"goto {chain}"
    if isolation.ingress or isolation.egress:
        for address in isolation.addresses:
            elements[f"{TABLE} itself{_family(address)} {address} . {address}"] = ""
    return Facts(elements, chains=chains)


def policy_facts(resolved: ResolvedPolicy, log_group: int | None = None) -> Facts:
    """A policy's chains, and the sets that its named ports mean. The sets of its peers come from `peer_facts`.

    log_group: as for `pod_facts`, of connections that a rule denies.
    """
    elements: dict[str, str] = {}
    chains: dict[str, tuple[str, ...]] = {}
    sets: dict[str, Declaration] = {}
    for direction in DIRECTIONS:
        if resolved.policy.rules(direction) is None:
            continue
        rules: list[str] = []
        for rule in resolved.rules(direction):
            for family in (4, 6):
                rules += _rule(rule, direction, family, _verdict(resolved.policy, rule.rule, direction, log_group))
            for port, destinations in zip(rule.rule.ports, rule.named, strict=True):
                if not isinstance(port.port, str):
                    continue
                for family, kind in ((4, "ipv4_addr"), (6, "ipv6_addr")):
                    sets[_port_set(rule, port, family)] = Declaration(
                        "set", f"type {kind} . inet_proto . inet_service;"
                    )
                for address, protocol, number in sorted(destinations):
                    element = f"{address} . {protocol.lower()} . {number}"
                    elements[f"{_port_set(rule, port, _family(address))} {element}"] = ""
        chains[f"{TABLE} {policy_chain(resolved.policy.key, direction)}"] = tuple(rules)
    return Facts(elements, chains=chains, sets=sets)


def nothing_allowed(policy: Key) -> Facts:
    """Empty chains for a policy that could not be resolved: it isolates and allows nothing."""
    return Facts(chains={f"{TABLE} {policy_chain(policy, direction)}": () for direction in DIRECTIONS})


def peer_facts(peer: SelectedPeer, addresses: frozenset[str]) -> Facts:
    """The addresses of a peer's pods or nodes, one set a family, shared by all rules that name the same peer."""
    return Facts(
        {f"{_peer_set(peer, _family(address))} {address}": "" for address in sorted(addresses)},
        sets={_peer_set(peer, 4): _ADDRESSES[4], _peer_set(peer, 6): _ADDRESSES[6]},
    )


def peers_of(resolved: ResolvedPolicy) -> set[SelectedPeer]:
    """Whose sets the policy's chains need."""
    return {
        peer
        for direction in DIRECTIONS
        for rule in resolved.rules(direction)
        for peer in rule.rule.peers
        if isinstance(peer, SelectedPeer)
    }


def policy_chain(policy: Key, direction: Direction) -> str:
    """Readable, unique, and within the kernel's 127 characters."""
    name = f"{direction}-{policy.namespace}-{policy.name}"
    return f"{name[:100]}-{_digest(policy)}"


def _verdict(policy: Policy, rule: Rule, direction: Direction, log_group: int | None) -> str:
    """The statement that ends a rule. After the baseline no tier is left: Pass lets the packet through."""
    match rule.verdict:
        case "Accept":
            return "accept"
        case "Deny":
            return "counter drop" if log_group is None else f"{_log(direction, log_group)} counter drop"
        case "Pass":
            return f"goto {direction}-next" if policy.tier == "Admin" else "accept"


def _log(direction: Direction, group: int) -> str:
    return f'log prefix "{direction} denied" group {group}'


def _rule(rule: ResolvedRule, direction: Direction, family: int, verdict: str) -> list[str]:
    """nftables rules, one for each pair of peer and port group."""
    ip = "ip" if family == 4 else "ip6"
    end = "saddr" if direction == "ingress" else "daddr"
    peers: list[str] = []
    for peer in rule.rule.peers:
        if isinstance(peer, BlockPeer):
            if (":" in peer.cidr) == (family == 6):
                excepts = "".join(f" {ip} {end} != {cidr}" for cidr in peer.excepts)
                peers.append(f"{ip} {end} {peer.cidr}{excepts} ")
        elif not isinstance(peer, DomainPeer):
            peers.append(f"{ip} {end} @{_peer_set(peer, family).split()[1]} ")
    if not rule.rule.peers:
        peers = [f"meta nfproto ipv{family} "]
    return [f"{peer}{ports}{verdict}" for peer in peers for ports in _ports(rule, ip, family)]


def _ports(rule: ResolvedRule, ip: str, family: int) -> list[str]:
    if not rule.rule.ports:
        return [""]
    found: list[str] = []
    numbers: dict[str, list[str]] = {}
    for port in rule.rule.ports:
        protocol = port.protocol.lower()
        if port.port is None:
            found.append(f"meta l4proto {protocol} ")
        elif isinstance(port.port, str):
            found.append(f"{ip} daddr . meta l4proto . th dport @{_port_set(rule, port, family).split()[1]} ")
        else:
            last = port.end if port.end is not None and port.end != port.port else None
            numbers.setdefault(protocol, []).append(f"{port.port}-{last}" if last else str(port.port))
    for protocol, listed in numbers.items():
        # Several single rules rather than an anonymous set: every set of a table is listed when any rule is added.
        found += [f"{protocol} dport {number} " for number in listed]
    return found


def _peer_set(peer: SelectedPeer, family: int) -> str:
    return f"{TABLE} peer{family}-{_digest(peer)}"


def _port_set(rule: ResolvedRule, port: PolicyPort, family: int) -> str:
    return f"{TABLE} port{family}-{_digest((rule.rule.provenance, port))}"


def _digest(value: object) -> str:
    return blake2s(repr(value).encode(), digest_size=6).hexdigest()


def _family(address: str) -> int:
    return 6 if ":" in address else 4
