"""Container images are answered, not pulled: image, command and ports → what runs in the container's place. Pure.

The rules, first match wins:
 1. a `command` whose program is on this machine runs (so do `args` of an image that has no entrypoint of its own, like
    busybox, a shell in such an image when there is neither and somebody may type, and `args` of an image that is its
    program, like curlimages/curl);
 2. an image of the table behaves as the table says;
 3. a `command` whose program is not on this machine: the stand-in when the container declares ports, else it waits and
    says so; as an init container it is taken as done;
 4. any other image is the stand-in, an echo workload on the container's ports.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from sealane.kube.objects import Raw


@dataclass(frozen=True, slots=True)
class Port:
    """A port to listen on. behaviour: how the server answers there; see `standins.behaviours`.

    role: which server process is given the socket.
    """

    protocol: str
    port: int
    name: str = ""
    behaviour: str = "echo"
    options: Mapping[str, str] = field(default_factory=dict)
    role: str = "stand-ins"


@dataclass(frozen=True, slots=True)
class StandIn:
    """Ports that a server process answers on; without any, the container only is.

    role: a server process that is told of the container even when it has no ports.
    """

    ports: tuple[Port, ...]
    says: str
    role: str = ""


@dataclass(frozen=True, slots=True)
class Run:
    argv: tuple[str, ...]
    says: str


@dataclass(frozen=True, slots=True)
class Done:
    """An init container that is taken as done."""

    says: str


@dataclass(frozen=True, slots=True)
class Missing:
    message: str


Answer = StandIn | Run | Done | Missing

WELL_KNOWN: Mapping[str, tuple[int, ...]] = {
    "nginx": (80,),
    "httpd": (80,),
    "caddy": (80,),
    "whoami": (80,),
    "hello": (80,),
    "echoserver": (8080,),
    "http-echo": (5678,),
    "podinfo": (9898,),
    "tomcat": (8080,),
    "redis": (6379,),
    "postgres": (5432,),
    "mysql": (3306,),
    "mariadb": (3306,),
    "mongo": (27017,),
    "memcached": (11211,),
    "rabbitmq": (5672,),
}
"""What these images listen on when the container declares nothing."""

WITHOUT_ENTRYPOINT = ("busybox", "alpine", "debian", "ubuntu", "centos", "fedora", "netshoot", "dnsutils", "bash")
IS_PROGRAM = {"curl": "curl", "bash": "bash"}
CONFORMANCE_ECHO = ("echo-basic", "echo-advanced")


def short_name(image: str) -> str:
    """ "registry.k8s.io/e2e-test-images/agnhost:2.53" → "agnhost"."""
    return image.partition("@")[0].rpartition("/")[2].partition(":")[0]


def answer(container: Raw, on_machine: Callable[[str], bool], *, init: bool = False) -> Answer:
    """How this container is answered. on_machine: whether a program (name or path) can be run here."""
    image: str = container.get("image", "")
    name = short_name(image)
    command = list(container.get("command") or ())
    args = list(container.get("args") or ())
    argv: list[str] = command + args if command else []
    if not command and args:
        if name in IS_PROGRAM:
            argv = args if args[0] == IS_PROGRAM[name] else [IS_PROGRAM[name], *args]
        elif name in WITHOUT_ENTRYPOINT:
            argv = args
    if not command and not args and (container.get("stdin") or container.get("tty")) and name in WITHOUT_ENTRYPOINT:
        argv = ["bash"] if on_machine("bash") and name not in ("busybox", "alpine") else ["sh"]
    if argv and on_machine(argv[0]):
        return Run(tuple(argv), f"{argv[0]} of this machine runs in place of image {image}")
    ports = _declared(container)
    known = _known(image, name, args, ports)
    if known is not None:
        return known
    if init:
        reason = f"{argv[0]} is not on this machine" if argv else "its program is in the image"
        return Done(f"init container {container['name']} is taken as done: {reason}")
    if argv and not ports:
        return Missing(
            f"CommandNotFound: {argv[0]} is not on this machine; image {image} is answered, not pulled. Install the "
            f"program, or declare ports to have the stand-in answer"
        )
    if not ports:
        ports = tuple(Port("TCP", port) for port in _default_ports(name))
    return _stand_in(image, ports, f" because {argv[0]} is not on this machine" if argv else "")


def _default_ports(name: str) -> Sequence[int]:
    for known, ports in WELL_KNOWN.items():
        if name == known or name.startswith((known + "-", known + "_")) or name.endswith("-" + known):
            return ports
    return ()


def _declared(container: Raw) -> tuple[Port, ...]:
    found: dict[tuple[str, int], Port] = {}
    for port in container.get("ports") or ():
        protocol = port.get("protocol") or "TCP"
        if protocol in ("TCP", "UDP"):  # the kernel has no SCTP sockets to answer with
            found.setdefault(
                (protocol, port["containerPort"]), Port(protocol, port["containerPort"], port.get("name") or "")
            )
    return tuple(found.values())


def _stand_in(image: str, ports: tuple[Port, ...], why: str = "") -> StandIn:
    if not ports:
        return StandIn((), f"image {image} is answered by a container that only is: it declares no ports{why}")
    where = ", ".join(f"{one.port}/{one.protocol}" for one in ports)
    return StandIn(ports, f"image {image} is answered by the echo stand-in on {where}{why}")


def _known(image: str, name: str, args: list[str], ports: tuple[Port, ...]) -> StandIn | None:
    if image.partition(":")[0] == "sealane/envoy":
        return StandIn((), "the cluster's Envoy listens in this pod")
    if name == "pause":
        return StandIn((), f"image {image} is answered by a container that only is")
    if name == "coredns":
        served = (
            Port("UDP", 53, "dns", "dns", role="dns"),
            Port("TCP", 53, "dns-tcp", "dns", role="dns"),
        )
        return StandIn(served, f"image {image} is answered by the cluster's DNS server")
    if name == "k8s-dns-node-cache":
        return StandIn((), f"image {image} is answered by the cluster's DNS server, on its node", "dns")
    if name in CONFORMANCE_ECHO:
        ports = tuple(
            Port("TCP", port, name, "conformance") for port, name in ((3000, "http"), (3001, "h2c"), (8443, "https"))
        )
        return StandIn(ports, f"image {image} is answered on ports 3000, 3001 and 8443")
    if name == "agnhost":
        return _agnhost(image, args, ports)
    if name == "http-echo":
        options = _flags(args)
        port = int(options.get("listen", ":5678").rpartition(":")[2])
        text = {"text": options.get("text", "")}
        return StandIn((Port("TCP", port, "http", "text", text),), f"image {image} is answered on port {port}")
    return None


def _agnhost(image: str, args: list[str], ports: tuple[Port, ...]) -> StandIn:
    """https://github.com/kubernetes/kubernetes/tree/master/test/images/agnhost: netexec, serve-hostname, pause,
    connect.
    """
    options = _flags(args[1:])
    found: tuple[Port, ...]
    match args[:1]:
        case ["netexec"]:
            http, udp = int(options.get("http-port", "8080")), int(options.get("udp-port", "8081"))
            found = (Port("TCP", http, "http", "netexec"), Port("UDP", udp, "udp", "netexec"))
        case ["serve-hostname"]:
            found = (Port("TCP", int(options.get("port", "9376")), "http", "hostname"),)
        case ["porter"]:
            found = ports
        case _:
            return StandIn((), f"image {image} is answered by a container that only is")
    where = ", ".join(f"{one.port}/{one.protocol}" for one in found)
    return StandIn(found, f"image {image} {args[0]} is answered on {where}")


def _flags(args: Sequence[str]) -> dict[str, str]:
    """ "--http-port=80" and "--http-port 80" → {"http-port": "80"}."""
    found: dict[str, str] = {}
    waiting = ""
    for arg in args:
        if arg.startswith("-"):
            key, equals, value = arg.lstrip("-").partition("=")
            found[key] = value
            waiting = "" if equals else key
        elif waiting:
            found[waiting] = arg
            waiting = ""
    return found
