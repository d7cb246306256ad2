"""A pod's resolv.conf, and the questions that its resolver makes of a name.

Source: https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/ and resolv.conf(5).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sealane.network.addresses import CLUSTER_DOMAIN, DNS_SERVICE

if TYPE_CHECKING:
    from sealane.kube.shapes import Pod

MAX_NAMESERVERS = 3
MAX_SEARCHES = 32


@dataclass(frozen=True, slots=True)
class Resolver:
    """The three things resolv.conf(5) says. options: as written there, e.g. "ndots:5"."""

    nameservers: tuple[str, ...] = ()
    searches: tuple[str, ...] = ()
    options: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Resolver:
        nameservers: list[str] = []
        searches: list[str] = []
        options: list[str] = []
        for line in text.splitlines():
            word, *rest = line.split("#")[0].split(";")[0].split() or [""]
            match word:
                case "nameserver" if rest:
                    nameservers.append(rest[0])
                case "search" | "domain":
                    searches = rest  # The last one counts.
                case "options":
                    options += rest
        return cls(tuple(nameservers), tuple(searches), tuple(options))

    @property
    def ndots(self) -> int:
        found = 1
        for option in self.options:
            name, _, value = option.partition(":")
            if name == "ndots" and value.isdigit():
                found = min(int(value), 15)
        return found

    def text(self) -> str:
        """The file, in the order in which kubelet writes it."""
        lines = ["search " + " ".join(self.searches)] if self.searches else []
        lines += [f"nameserver {address}" for address in self.nameservers]
        if self.options:
            lines.append("options " + " ".join(self.options))
        return "\n".join(lines) + "\n"


def pod_resolver(
    pod: Pod,
    node: Resolver = Resolver(),
    dns: Iterable[str] = (str(DNS_SERVICE[0]),),
    domain: str = CLUSTER_DOMAIN,
) -> Resolver:
    """The file that kubelet writes for `pod` by its dnsPolicy and dnsConfig; `node` is the node's own resolv.conf."""
    spec = pod.spec
    policy = spec.get("dnsPolicy") or "ClusterFirst"
    if policy == "ClusterFirst" and spec.get("hostNetwork"):
        policy = "Default"
    match policy:
        case "ClusterFirst" | "ClusterFirstWithHostNet":
            own = (f"{pod.namespace or 'default'}.svc.{domain}", f"svc.{domain}", domain)
            base = Resolver(tuple(dns), own + node.searches, ("ndots:5",))
        case "None":
            base = Resolver()
        case _:
            base = node
    config = spec.get("dnsConfig") or {}
    options = {option.partition(":")[0]: option for option in base.options}
    for option in config.get("options") or ():
        value = option.get("value")
        options[option["name"]] = f"{option['name']}:{value}" if value else option["name"]
    return Resolver(
        _unique((*base.nameservers, *(config.get("nameservers") or ())))[:MAX_NAMESERVERS],
        _unique((*base.searches, *(config.get("searches") or ())))[:MAX_SEARCHES],
        tuple(options.values()),
    )


def queries(name: str, resolver: Resolver) -> tuple[str, ...]:
    """The names a stub resolver asks for in turn until one answers (resolv.conf(5), `ndots`), without the final dot."""
    if name.endswith("."):
        return (name.rstrip(".").lower(),)
    name = name.lower()
    searched = tuple(f"{name}.{suffix.strip('.').lower()}" for suffix in resolver.searches if suffix.strip("."))
    return _unique((name, *searched) if name.count(".") >= resolver.ndots else (*searched, name))


def _unique(items: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(items))
