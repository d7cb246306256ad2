"""Container images are answered, not pulled: image, command and ports → what runs in the container's place. Pure.

The rules, first match wins:
 1. in an image that is a system or a tool (`network.standins`), and in a container that somebody types into, a
    `command` whose programs are on this machine runs; so do `args` of an image that has no entrypoint of its own,
    like busybox, a shell in such an image when there is neither and somebody may type, and `args` of an image that is
    its program, like curlimages/curl. No other image runs anything, whatever happens to be installed here: its programs
    and files are in the image, so what the files of this machine would make of its command says nothing;
 2. an image of the table behaves as the table says;
 3. what has to end (an init container, a container of a Job) is taken as done;
 4. anything else is the stand-in, an echo workload on the ports of `network.listening`.

A run that shows that it needed its image (`programs.lacks`) is answered by 3 and 4 as well. A program that is neither
here nor one that such an image has is run all the same: it fails as it would in Kubernetes.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from sealane.dataplane.pods.programs import FETCHED, is_of_image
from sealane.kube.objects import Raw
from sealane.network.standins import SYSTEMS, runs_programs, short_name


class Port(msgspec.Struct, frozen=True):
    """A port to listen on. behaviour: how the server answers there; see `standins.behaviours`.

    role: which server process is given the socket. causes: see `network.listening.ListeningPort`; a port that has some
    is left out when it cannot be had. own: on the pod's own addresses only, not on every address of its network.
    """

    protocol: str
    port: int
    name: str = ""
    behaviour: str = "echo"
    options: Mapping[str, str] = msgspec.field(default_factory=dict)
    role: str = "stand-ins"
    causes: tuple[str, ...] = ()
    own: bool = False

    def __str__(self) -> str:
        return f"{self.port}/{self.protocol}" + (f" ({', '.join(self.causes)})" if self.causes else "")


class StandIn(msgspec.Struct, frozen=True):
    """Ports that a server process answers on; without any, the container only is.

    role: a server process that is told of the container even when it has no ports. echoes: it answers as nothing in
    particular, so it has whatever ports the manifest speaks of.
    """

    ports: tuple[Port, ...]
    says: str
    role: str = ""
    echoes: bool = False


class Run(msgspec.Struct, frozen=True):
    argv: tuple[str, ...]
    says: str


class Done(msgspec.Struct, frozen=True):
    """A container that has to end, and is taken as done."""

    says: str


Answer = StandIn | Run | Done

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


IS_PROGRAM = {"curl": "curl", "bash": "bash", "kubectl": "kubectl", "jq": "jq"}
CONFORMANCE_ECHO = ("echo-basic", "echo-advanced")

_CALLS = re.compile(r"(?:^|[;&|(`!\n]|\b(?:until|while|if|do|then|else|exec|time)\b)\s*(?=([\w./\-]+))")


def answer(
    container: Raw,
    on_machine: Callable[[str], bool],
    *,
    init: bool = False,
    ends: bool = False,
    lacking: str = "",
    ports: Sequence[Port] | None = None,
) -> Answer:
    """The way in which this container is answered. on_machine: whether a program (name or path) can be run here.

    init, ends: an init container, and one of a Job. lacking: why it cannot be run, as its last run has shown. ports: in
    place of those that it declares.
    """
    image: str = container.get("image", "")
    name = short_name(image)
    command, args = list(container.get("command") or ()), list(container.get("args") or ())
    argv = _argv(container, name, on_machine)
    volumes = [mount["mountPath"].rstrip("/") for mount in container.get("volumeMounts") or ()]
    missing = [each for each in _programs(argv) if not (_below(each, volumes) or on_machine(each))]
    absent = next((each for each in missing if is_of_image(container, each)), "")
    typed = bool(container.get("stdin"))
    if argv and not absent and not lacking and (typed or runs_programs(image)):
        if missing:
            return Run(tuple(argv), f"{missing[0]} is neither on this machine nor known to be in image {image}")
        return Run(tuple(argv), f"{argv[0]} of this machine runs in place of image {image}")
    variables = {one["name"]: str(one.get("value") or "") for one in container.get("env") or ()}
    said = _agnhost_words(command, args) if name == "agnhost" else args
    known = None if init or (command and ends) else _known(image, name, said, _declared(container), variables)
    if known is not None:
        return known
    why = lacking or (f"{absent} is not on this machine" if absent and runs_programs(image) else "")
    if init or ends:
        what = "init container" if init else "container"
        return Done(f"{what} {container['name']} is taken as done: {why or f'its program is in image {image}'}")
    wanted = tuple(_declared(container) if ports is None else ports)
    if all(port.causes for port in wanted):
        spoken = {(port.protocol, port.port) for port in wanted}
        defaults = [Port("TCP", port) for port in _default_ports(name) if ("TCP", port) not in spoken]
        wanted = (*defaults, *wanted)
    return _stand_in(image, wanted, f" because {why}" if why else "")


def _below(program: str, folders: Iterable[str]) -> bool:
    """Whether a program is looked for in one of the folders: what a volume holds is known when the container starts."""
    return any(os.path.normpath(program).startswith(f"{folder}/") for folder in folders)


def _argv(container: Raw, name: str, on_machine: Callable[[str], bool]) -> list[str]:
    """What the container would run, as far as that is known without its image."""
    command, args = list(container.get("command") or ()), list(container.get("args") or ())
    if command:
        return command + args
    if args and name in IS_PROGRAM:
        return args if args[0] == IS_PROGRAM[name] else [IS_PROGRAM[name], *args]
    if args:
        return args if runs_programs(container.get("image", "")) else []
    if name in SYSTEMS and (container.get("stdin") or container.get("tty")):
        return ["bash"] if on_machine("bash") and name not in ("busybox", "alpine") else ["sh"]
    return []


def _programs(argv: Sequence[str]) -> list[str]:
    """What has to be on the machine: the program itself, and what a shell's script calls of `FETCHED`."""
    found = list(argv[:1])
    if found and found[0].rpartition("/")[2] in ("sh", "bash", "ash"):
        for position, word in enumerate(argv[:-1]):
            if word.startswith("-") and word.endswith("c"):
                found += [each for each in _CALLS.findall(argv[position + 1]) if each in FETCHED]
                break
    return found


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
        says = f"image {image} is answered by a container that only is: its manifest names no ports{why}"
        return StandIn((), says, echoes=True)
    where = ", ".join(map(str, ports))
    return StandIn(ports, f"image {image} is answered by the echo stand-in on {where}{why}", echoes=True)


def _known(
    image: str, name: str, args: list[str], ports: tuple[Port, ...], variables: Mapping[str, str]
) -> StandIn | None:
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
        return _conformance(image, variables)
    if name == "agnhost":
        return _agnhost(image, args, ports)
    if name == "http-echo":
        options = _flags(args)
        port = int(options.get("listen", ":5678").rpartition(":")[2])
        text = {"text": options.get("text", "")}
        return StandIn((Port("TCP", port, "http", "text", text),), f"image {image} is answered on port {port}")
    return None


def _conformance(image: str, variables: Mapping[str, str]) -> StandIn:
    """https://github.com/kubernetes-sigs/gateway-api/tree/main/conformance/echo-basic: the environment says
    what it is, and its ports."""

    def port(variable: str, default: int) -> int:
        number = variables.get(variable, "")
        return int(number) if number.isdigit() and 0 < int(number) < 65536 else default

    found: tuple[Port, ...]
    if variables.get("GRPC_ECHO_SERVER"):
        found = tuple(
            Port("TCP", port(*each), name, "conformance")
            for each, name in ((("HTTP_PORT", 3000), "grpc"), (("HTTPS_PORT", 8443), "grpcs"))
        )
    elif variables.get("TCP_ECHO_SERVER"):
        found = tuple(
            Port("TCP", port(*each), name, "conformance-lines")
            for each, name in ((("TCP_PORT", 3000), "tcp"), (("TLS_PORT", 8443), "tls"))
        )
    elif variables.get("UDP_ECHO_SERVER"):
        found = (Port("UDP", port("UDP_PORT", 8080), "udp", "conformance"),)
    else:
        wanted = (("HTTP_PORT", 3000, "http"), ("H2C_PORT", 3001, "h2c"), ("HTTPS_PORT", 8443, "https"))
        found = tuple(Port("TCP", port(variable, default), name, "conformance") for variable, default, name in wanted)
    where = ", ".join(f"{one.port}/{one.protocol}" for one in found)
    return StandIn(found, f"image {image} is answered on {where}")


def _agnhost(image: str, args: list[str], ports: tuple[Port, ...]) -> StandIn:
    """https://github.com/kubernetes/kubernetes/tree/master/test/images/agnhost: netexec, serve-hostname, porter, pause,
    connect. args: its command and that one's flags.
    """
    options = _flags(args[1:])
    found: tuple[Port, ...]
    match args[:1]:
        case ["netexec"]:
            http, udp = int(options.get("http-port", "8080")), int(options.get("udp-port", "8081"))
            own = bool(options.get("udp-listen-addresses"))
            found = (Port("TCP", http, "http", "netexec"), Port("UDP", udp, "udp", "netexec", own=own))
        case ["serve-hostname"]:
            number, http = int(options.get("port", "9376")), options.get("http", "true") != "false"
            found = (Port("TCP", number, "http", "hostname"),) if http else ()
            if not http and options.get("tcp", "false") != "false":
                found = (Port("TCP", number, "tcp", "hostname-at-once"),)
            if options.get("udp", "false") != "false":
                found += (Port("UDP", number, "udp", "hostname"),)
        case ["porter"]:
            found = ports
        case _:
            return StandIn((), f"image {image} is answered by a container that only is")
    where = ", ".join(f"{one.port}/{one.protocol}" for one in found)
    return StandIn(found, f"image {image} {args[0]} is answered on {where}")


def _agnhost_words(command: list[str], args: list[str]) -> list[str]:
    """The words to agnhost: a container's `args`, or what its `command`, or the script of a shell, says to it."""
    words = command + args
    if len(words) > 2 and words[0].rpartition("/")[2] in ("sh", "bash") and words[1] == "-c":
        words = words[2].split()
    at = next((number for number, word in enumerate(words) if word.rpartition("/")[2] == "agnhost"), None)
    return args if at is None else words[at + 1 :]


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
