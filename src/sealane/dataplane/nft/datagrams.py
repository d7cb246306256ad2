"""Datagrams through a proxy: the UDP ports of Gateways, passed on by the kernel in the network of the proxy's pod.

Envoy cannot connect to a UDP backend from another network namespace than its own. Here the pod forwards: what comes to
one of its ports gets a backend's address as its destination and the pod's own as its source, and answers find their
way back; a client keeps its backend as long as it goes on. An IPv4 client reaches IPv4 endpoints only, likewise IPv6.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from ipaddress import ip_address

import msgspec

from sealane.dataplane.linux import namespaces
from sealane.kube.objects import Key
from sealane.network.routes.backends import BackendEndpoints, of_backend
from sealane.network.routes.model.l4 import OpenPort, PortKey
from sealane.network.routes.model.streams import StreamKey
from sealane.network.routes.proxies import ProxyPod, listener_name
from sealane.network.routes.routing import Routing, proxy_of_port
from sealane.reactive.collections import Change, Collection, Fetch, Source, derive

log = logging.getLogger(__name__)

TABLE = "inet sealane_datagrams"
PARTS = 1_000_000
_FORWARDING = ("ipv4/ip_forward", "ipv6/conf/all/forwarding")
_QUIET = ("ipv4/conf/all/send_redirects", "ipv4/conf/eth0/send_redirects")


class Share(msgspec.Struct, frozen=True):
    """A part of what comes to a port. addresses: of endpoints that take it, evenly; none: it is dropped."""

    weight: int
    addresses: tuple[tuple[str, int], ...]


class Forwarding(msgspec.Struct, frozen=True):
    """What one proxy pod does with datagrams: its UDP ports with their shares; a port without any is closed."""

    pod: ProxyPod
    ports: tuple[tuple[PortKey, tuple[Share, ...]], ...]


def table(ports: Iterable[tuple[int, Sequence[Share]]]) -> str:
    """The commands that replace the table of a pod."""
    rules = [rule for port, shares in ports for version in (4, 6) for rule in _rules(port, shares, version)]
    lines = [
        f"table {TABLE}",
        f"delete table {TABLE}",
        f"table {TABLE} {{",
        "  chain prerouting {",
        "    type nat hook prerouting priority dstnat; policy accept;",
        *(f"    {rule}" for rule in rules),
        "  }",
        "  chain postrouting {",
        "    type nat hook postrouting priority srcnat; policy accept;",
        "    meta l4proto udp ct status dnat masquerade",
        "  }",
        "}",
    ]
    return "".join(f"{line}\n" for line in lines)


def _rules(port: int, shares: Sequence[Share], version: int) -> Iterator[str]:
    """One rule a target: each takes its part of what those before have left."""
    targets: list[tuple[float, str]] = []
    family = "ip" if version == 4 else "ip6"
    for share in shares:
        own = [each for each in share.addresses if ip_address(each[0]).version == version]
        for address, number in own:
            shown = f"[{address}]" if version == 6 else address
            targets.append((share.weight / len(own), f"dnat {family} to {shown}:{number}"))
        if not own and share.weight:
            targets.append((share.weight, "drop"))
    left = sum(weight for weight, _ in targets)
    for number, (weight, verdict) in enumerate(targets, 1):
        part = round(PARTS * weight / left) if left else 0
        chance = "" if number == len(targets) else f"numgen random mod {PARTS} < {part} "
        left -= weight
        if part or not chance:
            yield f"meta nfproto {'ipv4' if version == 4 else 'ipv6'} udp dport {port} {chance}{verdict}"


def forwardings(routing: Routing) -> Collection[Key, Forwarding]:
    """By pod, of those whose proxy has a UDP port."""

    def of_pod(_key: Key, pod: ProxyPod, fetch: Fetch) -> Forwarding | None:
        opened = [each for each in fetch(routing.ports, index=proxy_of_port, value=pod.proxy) if each.speaks == "udp"]
        if not opened:
            return None
        return Forwarding(pod, tuple((port.key, _shares(port, routing, fetch)) for port in opened))

    return derive("nft.datagrams", routing.pods, of_pod)


def _shares(port: OpenPort, routing: Routing, fetch: Fetch) -> tuple[Share, ...]:
    stream = fetch.get(routing.streams, StreamKey(*port.key))
    return tuple(
        Share(backend.weight, () if backend.problem else _addresses(fetch.get(routing.backends, of_backend(backend))))
        for backend in (stream.backends if stream is not None else ())
        if backend.weight > 0
    )


def _addresses(backend: BackendEndpoints | None) -> tuple[tuple[str, int], ...]:
    return backend.addresses if backend is not None else ()


class Datagrams:
    """Keeps the tables of proxy pods as the routing model wants them; `run` it as a task.

    netns_path: from a pod's UID to the path of its network namespace. forwarding: filled with the names of the ports
    that are passed on, as `proxies.listener_name` gives them.
    """

    def __init__(self, routing: Routing, netns_path: Callable[[str], str], forwarding: Source[str, bool]) -> None:
        self._netns_path = netns_path
        self._forwarding = forwarding
        self._wanted = forwardings(routing)
        self._stale: dict[Key, None] = {}
        self._named: dict[Key, tuple[str, ...]] = {}
        self._applied: dict[Key, str] = {}  # UIDs of pods that have a table
        self._wake = asyncio.Event()

    async def run(self) -> None:
        unsubscribe = self._wanted.subscribe(self._receive)
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                stale, self._stale = self._stale, {}
                for key in stale:
                    await self._apply(key)
                names = {name: True for names in self._named.values() for name in names}
                if names != dict(self._forwarding.items()):
                    self._forwarding.replace(names)
        finally:
            unsubscribe()

    def _receive(self, changes: Sequence[Change[Key, Forwarding]]) -> None:
        self._stale.update((change.key, None) for change in changes)
        self._wake.set()

    async def _apply(self, key: Key) -> None:
        wanted = self._wanted.get(key)
        self._named.pop(key, None)
        before = self._applied.pop(key, "")
        if wanted is None:
            if before:  # its last UDP port has gone, or its pod, and then its network too
                with suppress(FileNotFoundError):
                    await self._write(key, before, table(()))
            return
        commands = table((port.port, shares) for port, shares in wanted.ports)
        try:
            written = await self._write(key, wanted.pod.uid, commands)
        except FileNotFoundError as error:
            log.warning("datagrams of %s: %s", key, error)
            return
        if not written:
            return
        self._applied[key] = wanted.pod.uid
        self._named[key] = tuple(listener_name(wanted.pod.uid, port) for port, _ in wanted.ports)

    async def _write(self, key: Key, uid: str, commands: str) -> bool:
        """Raises FileNotFoundError where the pod's network is not there."""
        try:
            await asyncio.to_thread(namespaces.inside, self._netns_path(uid), lambda: _forward(commands))
        except FileNotFoundError:
            raise
        except (OSError, RuntimeError) as error:
            log.warning("datagrams of %s: %s", key, error)
            return False
        return True


def _forward(commands: str) -> None:
    """In the pod's namespace: the table, and a pod that forwards. /proc/sys/net shows the namespace of the thread."""
    from sealane.dataplane.nft.libnftables import Nftables, NftError

    for names, value in ((_QUIET, b"0"), (_FORWARDING, b"1")):
        for name in names:
            try:
                with open(os.path.join("/proc/sys/net", name), "wb", buffering=0) as file:
                    file.write(value)
            except FileNotFoundError:  # a protocol that this kernel has not
                continue
    nft = Nftables()
    try:
        nft.run(commands)
    except NftError as error:
        raise RuntimeError(str(error)) from None
    finally:
        nft.close()
