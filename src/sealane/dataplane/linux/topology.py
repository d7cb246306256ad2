"""The cluster's links: *outside* with the underlay bridge, nodes on it, pods behind their node.

    outside:  bridge `underlay` 172.18.0.1, .2 ── port of each node; load-balancer range routed to the nodes
    node:     `eth0` 172.18.1.i on the underlay; a route to each of its pods and to the other nodes' pod ranges
    pod:      `eth0` with /32 and /128, everything via 169.254.1.1 and fe80::1, which the node answers

Both ends of a pod's veth know each other's hardware address from the start (permanent neighbours): the first packet
needs no ARP, and a thousand pods do not fill the kernel's neighbour table. All functions may be called again after a
crash: existing parts are kept.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import socket
import struct
from collections.abc import Sequence
from functools import cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path

import msgspec

from sealane.dataplane.linux import namespaces
from sealane.dataplane.linux.netlink import (
    Message,
    Netlink,
    add_address,
    add_bridge,
    add_neighbour,
    add_route,
    add_veth,
    link_into,
    link_up,
)
from sealane.network.addresses import (
    API,
    DNS_SERVICE,
    LOAD_BALANCERS,
    OUTSIDE,
    POD_GATEWAY,
    PODS,
    UNDERLAY,
    IPAddress,
    IPNetwork,
    NodePlan,
)

OUTSIDE_NAMESPACE = "outside"
BRIDGE = "underlay"
LOOPBACK = 1
POD_LINK = "eth0"
POD_LINK_PREFIX = "pod"
"""Of the names of the nodes' ends of pod links, and of no other link of a node."""
NODE_MAC = "ee:ee:ee:ee:ee:ee"  # the node's end of every pod link: each pod sees only its own

_SIOCGIFADDR = 0x8915
_ANY = (IPv4Network("0.0.0.0/0"), IPv6Network("::/0"))
_PREFIXES = tuple(underlay.prefixlen for underlay in UNDERLAY)

# Forwarding between links; answers may leave by another link than the question came in by (Services, several nodes);
# an IPv6 address is usable at once and made only by us.
_ROUTER = {
    "ipv4/ip_forward": "1",
    "ipv4/conf/all/rp_filter": "0",
    "ipv4/conf/default/rp_filter": "0",
    "ipv4/fib_multipath_hash_policy": "1",
    "ipv6/conf/all/forwarding": "1",
    "ipv6/conf/default/accept_dad": "0",
    "ipv6/conf/default/addr_gen_mode": "1",
    "ipv6/fib_multipath_hash_policy": "1",
}
_POD = {
    # Connections that wait on a stand-in's socket go over to the one that takes its place (a new agent opens them
    # anew).
    "ipv4/tcp_migrate_req": "1",
    # As containerd 2 has it: a program that is not root may listen on port 80.
    "ipv4/ip_unprivileged_port_start": "0",
    "ipv6/conf/default/accept_dad": "0",
    "ipv4/ping_group_range": "0 0",
}


def pod_namespace(uid: str) -> str:
    """The name of a pod's network namespace below run/netns."""
    return f"pod-{uid}"


def pod_link(uid: str) -> str:
    """The name of the node's end of a pod's link (15 characters at most)."""
    return POD_LINK_PREFIX + hashlib.blake2s(uid.encode(), digest_size=6).hexdigest()


def _mac_of(address: IPAddress) -> str:
    """A locally administered hardware address that spells the IPv4 address."""
    return "0a:58:" + ":".join(f"{byte:02x}" for byte in address.packed[-4:])


def _host(address: IPAddress) -> IPNetwork:
    return IPv4Network(address) if isinstance(address, IPv4Address) else IPv6Network(address)


def create_outside(run_dir: Path, nodes: Sequence[NodePlan]) -> None:
    """Makes *outside*: the bridge, its addresses, and routes over all nodes of the load-balancer range and to the DNS.

    Raises OSError naming the step that the kernel refused.
    """

    def create() -> None:
        with namespaces.making(run_dir, OUTSIDE_NAMESPACE, _ROUTER), Netlink() as netlink:
            netlink.apply([add_bridge(BRIDGE)])
            bridge = socket.if_nametoindex(BRIDGE)
            messages = [add_address(bridge, IPv6Address("fe80::1"), 64, link_scope=True)]
            for family in (0, 1):
                for address in (OUTSIDE[family], API[family]):
                    messages.append(add_address(bridge, address, _PREFIXES[family]))
                hops = [node.addresses[family] for node in nodes]
                messages.append(add_route(LOAD_BALANCERS[family], hops=hops))
                messages.append(add_route(_host(DNS_SERVICE[family]), hops=hops))
            netlink.apply(_supported(messages))

    if not namespaces.exists(run_dir, OUTSIDE_NAMESPACE):
        namespaces.in_thread(create)


def create_node(run_dir: Path, node: NodePlan, nodes: Sequence[NodePlan]) -> None:
    """Makes the namespace of one of `nodes`, linked to the underlay (after `create_outside`)."""
    outside = namespaces.path_of(run_dir, OUTSIDE_NAMESPACE)

    def create() -> None:
        with namespaces.making(run_dir, node.name, _ROUTER), Netlink() as netlink:
            there = os.open(outside, os.O_RDONLY | os.O_CLOEXEC)
            try:
                port_mac = f"0a:59:00:00:00:{node.index:02x}"
                netlink.apply([add_veth("eth0", _mac_of(node.addresses[0]), node.name, port_mac, there)])
            finally:
                os.close(there)
            netlink.apply(_supported(_node_messages(socket.if_nametoindex("eth0"), node, nodes)))
            with namespaces.visiting(outside), Netlink() as outside_netlink:
                port, bridge = socket.if_nametoindex(node.name), socket.if_nametoindex(BRIDGE)
                outside_netlink.apply([link_into(port, bridge)])

    if not namespaces.exists(run_dir, node.name):
        namespaces.in_thread(create)


def _node_messages(link: int, node: NodePlan, nodes: Sequence[NodePlan]) -> list[Message]:
    messages = [
        add_address(link, IPv6Address(f"fe80::1:{node.index:x}"), 64, link_scope=True),
        add_address(LOOPBACK, POD_GATEWAY[0], 32, link_scope=True),
    ]
    for family in (0, 1):
        own = node.pod_side[family]
        messages += [
            add_address(link, node.addresses[family], _PREFIXES[family]),
            add_address(LOOPBACK, own, own.max_prefixlen),
            # A pod that is not there, or a node: "no route to host" at once instead of a packet lost in *outside*.
            add_route(PODS[family]),
            add_route(node.pod_cidrs[family]),
            add_route(_ANY[family], via=OUTSIDE[family]),
        ]
        messages += [
            add_route(other.pod_cidrs[family], via=other.addresses[family])
            for other in nodes
            if other.index != node.index
        ]
    return messages


class PodLink(msgspec.Struct, frozen=True):
    """The link that `create_pod` makes. ips: IPv4 first, one of each family at most."""

    uid: str
    ips: tuple[IPAddress, ...]


class NodeLinks:
    """Makes and deletes the pods of one node. Create and use it in the thread that lives in the node's namespace."""

    def __init__(self, run_dir: Path, node: NodePlan) -> None:
        self._run = run_dir
        self._node = node
        self._netlink = Netlink()
        self._namespace = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)

    def create_pod(self, pod: PodLink) -> None:
        """The pod's namespace, link, addresses and routes, both sides. Raises OSError.

        A namespace that is there (from before a crash of the agent) is kept with its links, if it has these addresses.
        """
        name = pod_namespace(pod.uid)
        if namespaces.exists(self._run, name) and self._address_in(name) != str(pod.ips[0]):
            namespaces.delete(self._run, name)
        if not namespaces.exists(self._run, name):
            with namespaces.making(self._run, name, _POD):
                self._link_pod(pod)
        self._route_pod(pod)

    def _address_in(self, name: str) -> str:
        """The IPv4 address of a pod's end of its link; "" when it has none yet. Source: netdevice(7)."""
        with namespaces.visiting(namespaces.path_of(self._run, name)), socket.socket(socket.AF_INET) as asking:
            try:
                found = fcntl.ioctl(asking, _SIOCGIFADDR, struct.pack("256s", POD_LINK.encode()))
            except OSError:
                return ""
        return socket.inet_ntoa(found[20:24])

    def _link_pod(self, pod: PodLink) -> None:
        with Netlink() as netlink:
            mac = _mac_of(pod.ips[0])
            netlink.apply([add_veth(POD_LINK, mac, pod_link(pod.uid), NODE_MAC, self._namespace)])
            link = socket.if_nametoindex(POD_LINK)
            messages: list[Message] = []
            for address in pod.ips:
                gateway = POD_GATEWAY[address.version == 6]
                messages += [
                    add_address(link, address, address.max_prefixlen),
                    add_neighbour(link, gateway, NODE_MAC),
                    add_route(_ANY[address.version == 6], link=link, via=gateway),
                ]
            netlink.apply(messages)

    def _route_pod(self, pod: PodLink) -> None:
        link = socket.if_nametoindex(pod_link(pod.uid))
        mac = _mac_of(pod.ips[0])
        messages = [link_up(link)]
        for address in pod.ips:
            own = self._node.pod_side[address.version == 6]
            messages += [add_neighbour(link, address, mac), add_route(_host(address), link=link, source=own)]
            if address.version == 6:
                messages.append(add_address(link, POD_GATEWAY[1], 64, link_scope=True))
        self._netlink.apply(messages)

    def delete_pod(self, uid: str) -> None:
        """Removes the pod's namespace; its link and routes end with it. Nothing to do when it is not there.

        The kernel takes them away in the background, once the last process and connection inside have ended. (Deleting
        the link from here instead would wait some 40 ms for each pod.)
        """
        namespaces.delete(self._run, pod_namespace(uid))

    def close(self) -> None:
        self._netlink.close()
        os.close(self._namespace)


class SocketPlan(msgspec.Struct, frozen=True):
    """A socket to open: protocol "TCP" or "UDP", family 4 or 6, port, on the wildcard address unless one is given."""

    protocol: str
    family: int
    port: int
    address: str = ""


def open_sockets(plans: Sequence[SocketPlan], net: Path | None = None) -> list[socket.socket]:
    """Opens them, non-blocking, TCP ones listening, in the namespace at `net` (None: the calling thread's).

    Raises OSError naming the port.
    """
    made: list[socket.socket] = []
    try:
        with namespaces.visiting(net) if net is not None else contextlib.nullcontext():
            for plan in plans:
                made.append(_open(plan))
    except BaseException:
        for one in made:
            one.close()
        raise
    return made


def _open(plan: SocketPlan) -> socket.socket:
    kind = socket.SOCK_STREAM if plan.protocol == "TCP" else socket.SOCK_DGRAM
    family = socket.AF_INET if plan.family == 4 else socket.AF_INET6
    made = socket.socket(family, kind | socket.SOCK_NONBLOCK)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # A new agent opens them again while the server still holds those of the one before.
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if plan.family == 6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind((plan.address or ("0.0.0.0" if plan.family == 4 else "::"), plan.port))
        if plan.protocol == "TCP":
            made.listen(1024)
    except OSError as error:
        made.close()
        raise OSError(error.errno, f"cannot listen on {plan.protocol} port {plan.port}: {error.strerror}") from error
    return made


def delete(run_dir: Path) -> None:
    """Removes every namespace of the cluster below `run_dir`, and with them all links, addresses, routes and rules."""
    for name in namespaces.names(run_dir):
        namespaces.delete(run_dir, name)


@cache
def has_ipv6() -> bool:
    """Whether this kernel speaks IPv6. Asked once: a look into /proc/sys/net waits for namespaces in the making."""
    return os.path.exists("/proc/sys/net/ipv6")


def _supported(messages: Sequence[Message]) -> list[Message]:
    """Without the messages of IPv6 when this kernel has none."""
    if has_ipv6():
        return list(messages)
    return [message for message in messages if ":" not in message.what]


__all__ = [
    "NodeLinks",
    "PodLink",
    "SocketPlan",
    "create_node",
    "create_outside",
    "delete",
    "open_sockets",
    "pod_link",
    "pod_namespace",
]
