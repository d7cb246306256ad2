"""The surroundings of a server: where its container's sockets are made, and how it reaches servers upstream."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import socket
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from pathlib import Path

from sealane.dataplane.dns.instance import Open
from sealane.dataplane.dns.plugins.autopath import NamespaceOf
from sealane.dataplane.dns.route import Outside
from sealane.dataplane.dns.upstream import Address, Dial, here
from sealane.dataplane.linux import namespaces
from sealane.dataplane.linux.netlink import Message, Netlink, add_address, delete_address
from sealane.dataplane.linux.topology import LOOPBACK, SocketPlan, open_sockets
from sealane.kube.objects import Object
from sealane.network.addresses import LOAD_BALANCERS, PODS, SERVICES, UNDERLAY
from sealane.network.names import Record, Resolver, pod_resolver

SIOCGIFADDR = 0x8915  # <linux/sockios.h>
Untrack = Callable[[Sequence[str]], None]
"""Packets of DNS from and to these addresses, and no others, are left alone by the calling thread's conntrack."""
INSIDE = (*PODS, *SERVICES, *UNDERLAY, *LOAD_BALANCERS)
"""Addresses that only the cluster's own networks know."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """upstream: the servers that the cluster was told to ask, from the host. run_dir, untrack: see `process.serve`.
    public: as `route.Outside` has it.
    """

    upstream: tuple[Address, ...]
    run_dir: Path | None
    namespace_of: NamespaceOf
    public: Callable[[str], Sequence[Record] | None] = lambda name: None
    untrack: Untrack | None = None

    def attach(self, node: str, addresses: Sequence[str]) -> None:
        """The node has these addresses, and answers DNS there itself. Raises OSError."""
        self._change(
            node, [add_address(LOOPBACK, ip, ip.max_prefixlen) for ip in map(ip_address, addresses)], addresses
        )

    def detach(self, node: str, addresses: Sequence[str]) -> None:
        """Undoes `attach`; a node that is gone has nothing to undo."""
        with contextlib.suppress(OSError):
            self._change(
                node, [delete_address(LOOPBACK, ip, ip.max_prefixlen) for ip in map(ip_address, addresses)], ()
            )

    def _change(self, node: str, messages: Sequence[Message], untracked: Sequence[str]) -> None:
        def change() -> None:
            with Netlink() as netlink:
                netlink.apply(messages)
            if self.untrack is not None:
                self.untrack(untracked)

        net = self._path(node)
        if net is None:
            raise OSError(errno.ENONET, "no network namespace is known")
        namespaces.inside(net, change)

    def opener(self, network: str, ips: Sequence[str]) -> Open:
        """network: name of a namespace. ips: the pod's; it listens in the families that it has."""
        families = sorted({ip_address(ip).version for ip in ips}) or [4]
        net = self._path(network)

        def open_(address: str, port: int, protocols: Sequence[str]) -> list[socket.socket]:
            def make() -> list[socket.socket]:
                found = _numeric(address)
                plans = [
                    SocketPlan(protocol, family, port, one)
                    for one in found
                    for family in ([ip_address(one).version] if one else families)
                    for protocol in protocols
                ]
                return open_sockets(plans)

            if net is None:  # Nothing is listened on where this process itself lives: that is the host.
                raise OSError(errno.ENONET, "no network namespace is known")
            return namespaces.inside(net, make)

        return open_

    def outside(self, network: str, pod: Object | None) -> Outside:
        """A pod's own resolv.conf says whom a file in `forward` means: the host's servers unless its dnsPolicy says
        otherwise.
        """
        net = self._path(network)
        host = Resolver(tuple(host for host, _ in self.upstream))
        own = pod_resolver(pod, host) if pod is not None else host

        def servers(path: str) -> Sequence[Address]:
            ports = dict(self.upstream)
            return [(nameserver, ports.get(nameserver, 53)) for nameserver in own.nameservers]

        def dial(address: Address) -> Dial:
            return here if net is None or address in self.upstream else _from(net, self._abroad(address))

        return Outside(servers, dial, self.namespace_of, own.searches, self.public)

    def _abroad(self, address: Address) -> bool:
        """Whether an address is asked from the host: it is not the cluster's, and the host may ask others at all."""
        ip = ip_address(address[0])
        inside = ip.is_loopback or ip.is_link_local or any(ip in network for network in INSIDE)
        return bool(self.upstream) and not inside

    def _path(self, network: str) -> Path | None:
        return namespaces.path_of(self.run_dir, network) if self.run_dir is not None and network else None


def _from(net: Path, abroad: bool) -> Dial:
    if abroad:
        return here

    def dial(family: socket.AddressFamily, kind: socket.SocketKind) -> socket.socket:
        return namespaces.inside(net, lambda: here(family, kind))

    return dial


def _numeric(address: str) -> Sequence[str]:
    """Addresses that `bind` names: itself, or those of the interface of the calling thread's namespace."""
    if not address:
        return ("",)
    with contextlib.suppress(ValueError):
        return (str(ip_address(address)),)
    return _addresses_of(address)


def _addresses_of(interface: str) -> Sequence[str]:
    """Of an interface in the calling thread's namespace: its first IPv4 address, and the IPv6 ones that are routed.

    Raises OSError for an interface that is not there.
    """
    socket.if_nametoindex(interface)
    found = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock, contextlib.suppress(OSError):
        request = fcntl.ioctl(sock, SIOCGIFADDR, struct.pack("16s24x", interface.encode()))
        found.append(socket.inet_ntoa(request[20:24]))
    with contextlib.suppress(OSError):
        for line in Path("/proc/thread-self/net/if_inet6").read_text().splitlines():
            address, *_, name = line.split()
            ip = IPv6Address(bytes.fromhex(address))
            if name == interface and not ip.is_link_local:
                found.append(str(ip))
    return found
