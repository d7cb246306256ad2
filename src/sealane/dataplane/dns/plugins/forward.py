"""`forward`: servers upstream for the names of others. Source: https://coredns.io/plugins/forward/."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from posixpath import basename

from sealane.dataplane.dns import wire
from sealane.dataplane.dns.corefile import Directive
from sealane.dataplane.dns.plugins import step
from sealane.dataplane.dns.upstream import Asking, parse_address

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
WITHOUT_EFFECT = ("expire", "max_idle_conns", "max_age", "max_connect_attempts")
"""Of connections that are kept, which none is here."""
POLICIES = ("random", "round_robin", "sequential")
MAX_SERVERS = 15


@dataclass(frozen=True, slots=True)
class Forward:
    """to: addresses with an optional port, after tls:// those of servers that are asked so, or a path
    ("/etc/resolv.conf": what the pod's own file says).

    onward: response codes with which the next `forward` is asked.
    """

    zone: str
    to: tuple[str, ...]
    except_: tuple[str, ...] = ()
    asking: Asking = field(default_factory=Asking)
    onward: frozenset[int] = frozenset()

    def takes(self, name: str) -> bool:
        return step.covers(self.zone, name) and not (self.except_ and step.covered(self.except_, name))


def read(directive: Directive, files: Mapping[str, str] | None = None) -> Forward:
    """files: what is mounted beside the Corefile, by name. Raises CorefileError."""
    if len(directive.args) < 2:
        raise directive.error("forward takes a zone and the servers to ask, like 'forward . 192.0.2.53'")
    (zone, *_), to = step.zones(directive, directive.args[:1]), directive.args[1:]
    if len(to) > MAX_SERVERS:
        raise directive.error(f"more than {MAX_SERVERS} TOs configured: {len(to)}")
    for server in to:
        scheme, separator, rest = server.rpartition("://")
        if separator and scheme not in ("dns", "tls"):
            raise directive.error(f"forward: {scheme}:// is not spoken to servers upstream, only dns:// and tls://")
        if "/" not in rest:
            try:
                parse_address(rest)
            except ValueError:
                what = f"{server!r} is no DNS server: expected an address with an optional port"
                raise directive.error(what) from None
    found = Forward(zone, tuple(server.removeprefix("dns://") for server in to))
    for option in directive.block:
        if option.name == "except":
            found = replace(found, except_=found.except_ + step.zones(option, option.args))
        elif option.name == "next":
            found = replace(found, onward=_rcodes(option))
        elif option.name == "tls":
            found = replace(found, asking=replace(found.asking, authority=_authority(option, files or {})))
        else:
            found = replace(found, asking=_with(found.asking, option))
    return found


def _with(asking: Asking, option: Directive) -> Asking:
    match option.name:
        case "policy":
            (policy,) = step.only(option, 1)
            if policy not in POLICIES:
                raise option.unknown("policy", policy, POLICIES)
            return replace(asking, policy=policy)  # type: ignore[arg-type]
        case "force_tcp":
            step.only(option, 0)
            return replace(asking, tcp=True)
        case "prefer_udp":
            step.only(option, 0)
            return replace(asking, prefer_udp=True)
        case "max_fails":
            return replace(asking, max_fails=step.integer(option, step.only(option, 1)[0]))
        case "max_concurrent":
            return replace(asking, max_concurrent=step.integer(option, step.only(option, 1)[0]))
        case "failfast_all_unhealthy_upstreams":
            step.only(option, 0)
            return replace(asking, failfast=True)
        case "failover":
            return replace(asking, failover=_rcodes(option))
        case "health_check":
            return _health_check(asking, option)
        case "tls_servername":
            return replace(asking, server_name=step.only(option, 1)[0].rstrip("."))
        case name if name in WITHOUT_EFFECT:
            return asking
    raise option.unknown("option of forward", option.name, OPTIONS)


def _authority(option: Directive, files: Mapping[str, str]) -> str:
    """`tls [CA]`: the certificate of who vouches for the servers, in PEM; "" for those that the host trusts."""
    if len(option.args) > 1:
        raise option.error("tls takes the file of an authority at most: certificates of clients are not presented")
    if not option.args:
        return ""
    name = basename(option.args[0])
    if name not in files:
        raise option.error(f"tls: there is no file {option.args[0]} in the ConfigMaps that are mounted")
    return files[name]


def _health_check(asking: Asking, option: Directive) -> Asking:
    if not option.args:
        raise option.error("health_check takes a duration like 5s")
    seconds, *words = option.args
    asking = replace(asking, check_seconds=step.seconds(option, seconds))
    while words:
        match words:
            case ["no_rec", *rest]:
                asking, words = replace(asking, check_recursion=False), rest
            case ["domain", domain, *rest]:
                asking, words = replace(asking, check_domain=domain.rstrip(".").lower()), rest
            case _:
                raise option.unknown("option of health_check", words[0], ("no_rec", "domain"))
    return asking


def _rcodes(option: Directive) -> frozenset[int]:
    if not option.args:
        raise option.error(f"{option.name} takes response codes like NXDOMAIN")
    if unknown := [word for word in option.args if word.upper() not in wire.RCODES]:
        raise option.unknown("response code", unknown[0], tuple(wire.RCODES))
    return frozenset(wire.RCODES[word.upper()] for word in option.args)
