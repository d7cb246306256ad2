"""Plugins about the server itself: its listeners, health and metrics (`bind`, `health`, `ready`, `prometheus`,
`reload`, `loadbalance`). Source: their pages at https://coredns.io/plugins/.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address

from sealane.dataplane.dns.corefile import Directive
from sealane.dataplane.dns.plugins import step

DNS_PORT = 53


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address where HTTP is answered. address: "" for every one of the pod."""

    address: str
    port: int


HEALTH, READY, METRICS = Endpoint("", 8080), Endpoint("", 8181), Endpoint("127.0.0.1", 9153)


@dataclass(frozen=True, slots=True)
class Health:
    """lameduck: seconds."""

    endpoint: Endpoint
    lameduck: float = 0.0


def health(directive: Directive) -> Health:
    """Raises CorefileError."""
    lameduck = 0.0
    for option in directive.block:
        if option.name != "lameduck":
            raise option.unknown("option of health", option.name, ("lameduck",))
        lameduck = step.seconds(option, step.only(option, 1)[0])
    return Health(endpoint(directive, HEALTH), lameduck)


def endpoint(directive: Directive, default: Endpoint) -> Endpoint:
    """`[ADDRESS]`: "host:port" or ":port". Raises CorefileError."""
    if len(directive.args) > 1:
        raise directive.error(f"{directive.name} takes one address at most")
    if not directive.args:
        return default
    text = directive.args[0]
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    host = "127.0.0.1" if host == "localhost" else host
    try:
        if not colon or not 0 < int(port) < 65536:
            raise ValueError
        return Endpoint(str(ip_address(host)) if host and host != "0.0.0.0" else "", int(port))
    except ValueError:
        raise directive.error(f"{directive.name}: {text!r} is no address with a port, like :{default.port}") from None


def bind(directive: Directive) -> tuple[str, ...]:
    """`bind ADDRESS|IFACE ...`: what is listened on, an interface by its name. Raises CorefileError."""
    if not directive.args:
        raise directive.error("bind takes at least one address or interface")
    for option in directive.block:
        if option.name != "except":
            raise option.unknown("option of bind", option.name, ("except",))
    excluded = {word for option in directive.block for word in option.args}
    return tuple(word.removeprefix("[").removesuffix("]") for word in directive.args if word not in excluded)


def balances(directive: Directive) -> bool:
    """Whether the records of an answer take turns. Raises CorefileError."""
    if directive.args[:1] not in ((), ("round_robin",)):
        known = ("round_robin", "weighted")
        if directive.args[0] == "weighted":
            raise directive.error("loadbalance: weighted is not built in, only round_robin")
        raise directive.unknown("policy of loadbalance", directive.args[0], known)
    return True


def check_reload(directive: Directive) -> None:
    """`reload [INTERVAL] [JITTER]`: a change is taken over at once, so neither matters. Raises CorefileError."""
    if len(directive.args) > 2:
        raise directive.error("reload takes an interval and a jitter at most")
    times = [step.seconds(directive, text) for text in directive.args]
    if times and times[0] < 2:
        raise directive.error("reload: interval value must be greater or equal to 2s")
