"""`forward`: servers upstream for the names of others. Source: https://coredns.io/plugins/forward/."""

from __future__ import annotations

from dataclasses import dataclass

from sealane.dataplane.dns.corefile import Directive
from sealane.dataplane.dns.plugins import step
from sealane.dataplane.dns.upstream import parse_address

OPTIONS = (
    "except",
    "force_tcp",
    "prefer_udp",
    "expire",
    "max_fails",
    "max_connect_attempts",
    "tls",
    "tls_servername",
    "policy",
    "health_check",
    "max_concurrent",
    "next",
    "failfast_all_unhealthy_upstreams",
    "failover",
    "max_idle_conns",
    "max_age",
)
POLICIES = ("random", "round_robin", "sequential")


@dataclass(frozen=True, slots=True)
class Forward:
    """to: addresses with an optional port, or a path ("/etc/resolv.conf": what the cluster was told to ask)."""

    zone: str
    to: tuple[str, ...]
    except_: tuple[str, ...] = ()
    policy: str = "random"
    tcp: bool = False

    def takes(self, name: str) -> bool:
        return step.covers(self.zone, name) and not (self.except_ and step.covered(self.except_, name))


def read(directive: Directive) -> Forward:
    """Raises CorefileError."""
    if len(directive.args) < 2:
        raise directive.error("forward takes a zone and the servers to ask, like 'forward . 192.0.2.53'")
    (zone, *_), to = step.zones(directive, directive.args[:1]), directive.args[1:]
    for server in to:
        scheme, separator, _ = server.partition("://")
        if separator and scheme != "dns":
            raise directive.error(f"forward: {scheme}:// is not spoken to servers upstream, only dns://")
        if "/" not in server.removeprefix("dns://"):
            try:
                parse_address(server.removeprefix("dns://"))
            except ValueError:
                what = f"{server!r} is no DNS server: expected an address with an optional port"
                raise directive.error(what) from None
    except_: tuple[str, ...] = ()
    policy, tcp = "random", False
    for option in directive.block:
        match option.name:
            case "except":
                except_ += step.zones(option, option.args)
            case "policy":
                (policy,) = step.only(option, 1)
                if policy not in POLICIES:
                    raise option.unknown("policy", policy, POLICIES)
            case "force_tcp":
                tcp = True
            case "tls" | "tls_servername":
                raise option.error("forward: TLS is not spoken to servers upstream")
            case name if name not in OPTIONS:
                raise option.unknown("option of forward", name, OPTIONS)
    return Forward(zone, tuple(server.removeprefix("dns://") for server in to), except_, policy, tcp)
