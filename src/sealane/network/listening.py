"""The ports of a pod's containers, as far as manifests say them: `ports_of`. Pure.

A container's `ports` are information only (the API reference, Container.ports): a program listens where it wants to,
and the rest of the manifest shows where that is: its probes and hooks, the Services that select the pod, its arguments
and its variables.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Set
from typing import Any

import msgspec

from sealane.kube.objects import Object, Raw

PROBES = ("startupProbe", "livenessProbe", "readinessProbe")
SERVED = frozenset(
    re.findall(
        r"\w+",
        "admin api app application bind container debug diagnostics grpc health healthz healthcheck http https insecure"
        " internal lifecycle listen listening liveness local management metrics monitor monitoring node peer pprof"
        " probe probes profiling prom prometheus proxy public readiness ready rest rpc secure self server service"
        " serving site source ssl startup stats status tcp telemetry telnet tls udp ui web webhook webhooks",
    )
)
"""What the words before `port` may be when a flag or variable is about the program's own port, not a server's."""

_HERE = re.compile(
    r"(?:(?P<scheme>[a-z][a-z0-9+]*)://)?(?:0\.0\.0\.0|\*|\+|::|\[::\]|\[?\$[({]\w+[)}]\]?)?:(?P<port>\d{1,5})(?:/.*)?"
)
"""An address of whoever reads it: no host, or one that stands for every address of the pod."""
_FLAG = re.compile(r"--?([A-Za-z][\w.\-]*)(?:=(.*))?")
_WORDS = re.compile(r"[^\s'\"]+")
_PARTS = re.compile(r"[-_.]|(?<=[a-z])(?=[A-Z])")
_VARIABLE = re.compile(r"\$\((\w+)\)")


class ListeningPort(msgspec.Struct, frozen=True):
    """causes: what says so besides the container's `ports`: "readinessProbe", "Service web"; none for a declared one.

    protocol: "TCP" or "UDP".
    """

    protocol: str
    port: int
    name: str = ""
    causes: tuple[str, ...] = ()


def ports_of(
    pod: Object, services: Iterable[Object], programs: Set[str] = frozenset()
) -> dict[str, tuple[ListeningPort, ...]]:
    """Container → its ports, declared ones first, each (protocol, port) in one container only.

    services: those of the pod's namespace, in any order. programs: containers that open their ports themselves; they
    have none here, and what they declare is theirs. Ports that only a Service names go to the first of `containers`,
    unless the pod has a program, which may be the one that is meant.
    """
    containers = _containers(pod)
    declared = {(port.protocol, port.port): raw["name"] for raw in reversed(containers) for port in _declared(raw)}
    found: dict[str, dict[tuple[str, int], ListeningPort]] = {}
    taken = dict(declared)
    for raw in containers:
        name = raw["name"]
        if name in programs:
            continue
        own = found[name] = {(port.protocol, port.port): port for port in _declared(raw) if _is(declared, port, name)}
        for protocol, port, cause in _said(raw):
            _add(own, taken, name, protocol, port, cause)
    mains = [raw["name"] for raw in pod.spec.get("containers") or ()]
    if mains and not (programs & set(mains)):
        for service in sorted(services, key=lambda each: each.name):
            if _selects(service, pod):
                for protocol, port in _targets(service):
                    holder = taken.get((protocol, port), mains[0])
                    if holder in found:
                        _add(found[holder], taken, holder, protocol, port, f"Service {service.name}")
    return {name: tuple(own.values()) for name, own in found.items()}


def _is(declared: Mapping[tuple[str, int], str], port: ListeningPort, name: str) -> bool:
    return declared[port.protocol, port.port] == name


def _add(
    own: dict[tuple[str, int], ListeningPort],
    taken: dict[tuple[str, int], str],
    name: str,
    protocol: str,
    port: int,
    cause: str,
) -> None:
    key = (protocol, port)
    if not 0 < port < 65536 or taken.setdefault(key, name) != name:
        return
    before = own.get(key)
    if before is None:
        own[key] = ListeningPort(protocol, port, "", (cause,))
    elif before.causes and cause not in before.causes:
        own[key] = ListeningPort(protocol, port, before.name, (*before.causes, cause))


def _containers(pod: Object) -> list[Raw]:
    """The containers that live as long as the pod: `containers`, and init containers that are sidecars."""
    sidecars = [raw for raw in pod.spec.get("initContainers") or () if raw.get("restartPolicy") == "Always"]
    return [*(pod.spec.get("containers") or ()), *sidecars]


def _declared(raw: Raw) -> Iterator[ListeningPort]:
    for port in raw.get("ports") or ():
        protocol = port.get("protocol") or "TCP"
        if protocol in ("TCP", "UDP"):  # the kernel has no SCTP sockets to answer with
            yield ListeningPort(protocol, int(port["containerPort"]), port.get("name") or "")


def _said(raw: Raw) -> Iterator[tuple[str, int, str]]:
    """(protocol, port, cause) of all that a container says besides its `ports`."""
    lifecycle = raw.get("lifecycle") or {}
    handlers = [(key, raw.get(key) or {}) for key in PROBES]
    handlers += [(f"{key} hook", lifecycle.get(key) or {}) for key in ("postStart", "preStop")]
    for cause, handler in handlers:
        for kind in ("httpGet", "tcpSocket", "grpc"):
            target = handler.get(kind) or {}
            port = str(target.get("port", ""))
            if port.isdigit() and target.get("host") in (None, "", "localhost", "127.0.0.1", "::1"):
                yield "TCP", int(port), cause
    variables = {each["name"]: str(each.get("value") or "") for each in raw.get("env") or () if "valueFrom" not in each}
    words = [_expanded(str(word), variables) for word in (*(raw.get("command") or ()), *(raw.get("args") or ()))]
    for protocol, port_number in argument_ports([part for word in words for part in _WORDS.findall(word)]):
        yield protocol, port_number, "its arguments"
    for name, value in variables.items():
        for protocol, port_number in variable_ports(name, value, raw["name"], variables):
            yield protocol, port_number, f"variable {name}"


def _expanded(word: str, variables: Mapping[str, str]) -> str:
    return _VARIABLE.sub(lambda match: variables.get(match[1], match[0]), word)


def argument_ports(words: list[str]) -> Iterator[tuple[str, int]]:
    """(protocol, port) of what a command line names: "--port=80", "--http-port 80", "--listen=:80", ":80", "-p 80"."""
    elsewhere = "-h" in words or any(word.startswith("--host") for word in words)  # a client's -p is a server's port
    for position, word in enumerate(words):
        match = _FLAG.fullmatch(word)
        if match is None:
            if position == 0 or not words[position - 1].startswith("-") or "=" in words[position - 1]:
                yield from _addresses(word, "")
            continue
        name, value = match[1], match[2]
        if value is None:
            value = words[position + 1] if position + 1 < len(words) else ""
        *about, last = [part.lower() for part in _PARTS.split(name)] or [""]
        if value.isdigit() and last == "port" and SERVED.issuperset(about):
            yield ("UDP" if "udp" in about else "TCP"), int(value)
        elif value.isdigit() and name == "p" and not elsewhere and int(value) >= 80:
            yield "TCP", int(value)
        else:
            yield from _addresses(value, name)


def variable_ports(name: str, value: str, container: str, variables: Mapping[str, str]) -> Iterator[tuple[str, int]]:
    """(protocol, port) of what a variable says about where its own program listens.

    PORT and HTTP_PORT do; DB_PORT is another server's; CART_PORT is the program's own in a container named cart, unless
    CART_HOST is a variable too.
    """
    *about, last = [part.lower() for part in name.split("_")]
    if last in ("port", "ports") and value.replace(";", "").isdigit():
        own = SERVED.issuperset(about) or "-".join(about) == container or about[:1] == ["aspnetcore"]
        if own and "_".join((*name.split("_")[:-1], "HOST")) not in variables:
            for each in value.split(";"):
                yield ("UDP" if "udp" in about else "TCP"), int(each or 0)
        return
    for each in re.split(r"[,;\s]+", value):
        yield from _addresses(each, name.lower())


def _addresses(value: str, about: str) -> Iterator[tuple[str, int]]:
    for each in value.split(","):
        match = _HERE.fullmatch(each)
        if match is not None:
            udp = match["scheme"] == "udp" or "udp" in about
            yield ("UDP" if udp else "TCP"), int(match["port"])


def _selects(service: Object, pod: Object) -> bool:
    selector = service.spec.get("selector") or {}
    return (
        bool(selector)
        and service.namespace == pod.namespace
        and service.spec.get("type") != "ExternalName"
        and selector.items() <= pod.labels.items()
    )


def _targets(service: Object) -> Iterator[tuple[str, int]]:
    """(protocol, port) of its numeric targetPorts; a port without a targetPort is its own."""
    ports: Iterable[Any] = service.spec.get("ports") or ()
    for port in ports:
        target = port.get("targetPort") or port["port"]
        protocol = port.get("protocol") or "TCP"
        if protocol in ("TCP", "UDP") and str(target).isdigit():
            yield protocol, int(target)
