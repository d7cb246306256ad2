"""A SOCKS5 proxy into the cluster, on the host's loopback (RFC 1928: CONNECT and UDP ASSOCIATE).

Without authentication, or with a password (RFC 1929) in a private cluster.

Connections start on a node, so cluster addresses, pods and node ports can all be reached; names are asked of the
cluster's DNS Service from there: `curl -x socks5h://ADDRESS http://cart-service.shop.svc.cluster.local`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import struct
from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from pathlib import Path
from secrets import compare_digest, token_urlsafe
from typing import Any, cast

from sealane.dataplane import relay
from sealane.dataplane.dns import wire
from sealane.dataplane.linux.peers import is_our_users
from sealane.dataplane.linux.threads import NamespaceThread
from sealane.network.addresses import CLUSTER_DOMAIN, DNS_SERVICE

log = logging.getLogger(__name__)

ADDRESS = "172.18.1.254"
"""In the node's range, held by no node: so the proxy's loopback address is nobody else's."""
PORT = 1080
PATIENCE = 10.0
"""Seconds for a connection to be made."""
_ASK_AGAIN = 2.0
_VERSION, _CONNECT, _UDP = 5, 1, 3
_OPEN, _PASSWORD, _NO_METHOD = 0, 2, 0xFF
USER = "sealane"
_IPV4, _NAME, _IPV6 = 1, 3, 4
_DONE, _FAILED, _UNREACHABLE, _REFUSED, _NO_COMMAND, _NO_ADDRESS = 0, 1, 4, 5, 7, 8


def kept_password(path: Path) -> str:
    """The one that is in the file that says where the proxy is, so that a new process has the old one; or a new one."""
    with contextlib.suppress(OSError):
        credentials, at, _ = path.read_text().rpartition("@")
        if at:
            return credentials.partition(":")[2]
    return token_urlsafe(18)


class Refusal(Exception):
    """The request cannot be carried out. code: of RFC 1928, section 6."""

    def __init__(self, code: int, why: str) -> None:
        super().__init__(why)
        self.code = code


class Proxy:
    """Serves on `sock`, which listens on loopback; connects from the namespace of `node`.

    password: without it nobody is served; "": everybody of this machine is.
    """

    def __init__(self, node: NamespaceThread, password: str = "") -> None:
        self._node = node
        self._password = password

    async def serve(self, sock: socket.socket) -> asyncio.Server:
        return await asyncio.start_server(self._client, sock=sock)

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await self._converse(reader, writer)
        finally:
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not await self._admits(reader, writer):
            return
        try:
            command, host, port = await _request(reader)
            if command == _UDP:
                await self._associate(reader, writer)
                return
            far = await self._connect(host, port)
        except Refusal as refusal:
            log.info("%s", refusal)
            writer.write(_reply(refusal.code))
            return
        writer.write(_reply(_DONE))
        await relay.couple((reader, writer), far)

    async def _admits(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        version, count = await reader.readexactly(2)
        methods = await reader.readexactly(count)
        method = _PASSWORD if self._password else _OPEN
        if version != _VERSION or method not in methods:
            writer.write(bytes([_VERSION, _NO_METHOD]))
            return False
        writer.write(bytes([_VERSION, method]))
        if method == _OPEN:
            return True
        _, size = await reader.readexactly(2)
        user = await reader.readexactly(size)
        (size,) = await reader.readexactly(1)
        given = await reader.readexactly(size)
        right = compare_digest(given, self._password.encode()) and user == USER.encode()
        writer.write(bytes([1, 0 if right else 1]))
        return right

    async def _associate(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Relays datagrams for as long as the client keeps its connection (RFC 1928, section 7)."""
        datagrams = _Relay(self._node, self.addresses, private=bool(self._password))
        local = writer.get_extra_info("sockname")[0]
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: datagrams, local_addr=(local, 0))
        try:
            host, port = transport.get_extra_info("sockname")[:2]
            writer.write(bytes([_VERSION, _DONE, 0]) + _written(host, port))
            while await reader.read(relay.CHUNK):
                pass
        finally:
            datagrams.close()

    async def _connect(self, host: str, port: int) -> relay.Stream:
        code, why = _UNREACHABLE, f"{host}: no such name in the cluster"
        for address in await self.addresses(host):
            try:
                return await relay.dial(self._node, address, port, PATIENCE)
            except OSError as error:  # a TimeoutError is one
                code = _REFUSED if isinstance(error, ConnectionRefusedError) else _UNREACHABLE
                why = f"{host} ({address}) port {port}: {error or 'no answer'}"
        raise Refusal(code, why)

    async def addresses(self, host: str) -> list[str]:
        """The addresses in the cluster for which a name or address stands."""
        try:
            return [str(ip_address(host))]
        except ValueError:
            pass
        name = host.rstrip(".")
        # Short names as a pod of namespace default would write them: NAME, NAME.NAMESPACE, NAME.NAMESPACE.svc.
        searched = ["", f"svc.{CLUSTER_DOMAIN}", CLUSTER_DOMAIN, f"default.svc.{CLUSTER_DOMAIN}"]
        for suffix in [""] if host.endswith(".") or name.endswith(CLUSTER_DOMAIN) else searched:
            for type_ in ("A", "AAAA"):
                found = await self._ask(f"{name}.{suffix}" if suffix else name, type_)
                if found:
                    return found
        return []

    async def _ask(self, name: str, type_: str) -> list[str]:
        """Addresses of `name`, as the cluster's DNS Service answers; [] also when it does not answer."""
        try:
            question = wire.name_bytes(name.lower())
        except ValueError:
            return []
        identity = os.urandom(2)
        query = identity + struct.pack(">HHHHH", wire.RD, 1, 0, 0, 0) + question
        query += struct.pack(">HH", wire.TYPES[type_], wire.IN)
        loop = asyncio.get_running_loop()
        sock = await self._node.run(socket.socket, socket.AF_INET, socket.SOCK_DGRAM)
        try:
            sock.setblocking(False)
            await loop.sock_connect(sock, (str(DNS_SERVICE[0]), 53))
            for _ in range(2):
                await loop.sock_sendall(sock, query)
                with contextlib.suppress(TimeoutError):
                    answer = await asyncio.wait_for(loop.sock_recv(sock, 4096), _ASK_AGAIN)
                    if answer[:2] == identity:
                        return _answers(answer, wire.TYPES[type_])
        except OSError as error:
            log.info("DNS: %s", error)
        finally:
            sock.close()
        return []


class _Relay(asyncio.DatagramProtocol):
    """The datagrams of one client, the sender of the first; those that come back go to it.

    private: its socket must be one of our own user.
    """

    def __init__(
        self, node: NamespaceThread, addresses: Callable[[str], Awaitable[list[str]]], *, private: bool
    ) -> None:
        self._node = node
        self._private = private
        self._addresses = addresses
        self._client: Any = None
        self._far: dict[int, asyncio.DatagramTransport] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._near = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if self._client is None:
            if self._private and not is_our_users("udp", addr):
                return
            self._client = addr
        if addr != self._client:
            return
        with contextlib.suppress(ValueError, IndexError, struct.error):
            task = asyncio.get_running_loop().create_task(self._send(*_read(data)))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def answer(self, data: bytes, source: Any) -> None:
        """The datagrams that a server sent back."""
        if not self._near.is_closing():
            self._near.sendto(bytes(3) + _written(*source[:2]) + data, self._client)

    def close(self) -> None:
        for transport in (self._near, *self._far.values()):
            transport.close()

    async def _send(self, host: str, port: int, data: bytes) -> None:
        for address in (await self._addresses(host))[:1]:
            version = ip_address(address).version
            if version not in self._far:
                self._far[version] = await self._open(socket.AF_INET if version == 4 else socket.AF_INET6)
            self._far[version].sendto(data, (address, port))

    async def _open(self, family: socket.AddressFamily) -> asyncio.DatagramTransport:
        sock = await self._node.run(socket.socket, family, socket.SOCK_DGRAM)
        sock.setblocking(False)
        sock.bind(("", 0))
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: _Answers(self), sock=sock)
        return transport


class _Answers(asyncio.DatagramProtocol):
    def __init__(self, owner: _Relay) -> None:
        self._owner = owner

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._owner.answer(data, addr)


def _read(datagram: bytes) -> tuple[str, int, bytes]:
    """The target of a client's datagram, and its data. Raises ValueError, also for a fragment."""
    _reserved, fragment, kind = struct.unpack_from(">HBB", datagram)
    if fragment:
        raise ValueError("fragments are not put together")
    if kind == _NAME:
        start, end = 5, 5 + datagram[4]
        host = datagram[start:end].decode("ascii")
    else:
        end = 4 + {_IPV4: 4, _IPV6: 16}[kind] if kind in (_IPV4, _IPV6) else 0
        host = str(ip_address(datagram[4:end]))
    (port,) = struct.unpack_from(">H", datagram, end)
    return host, port, datagram[end + 2 :]


def _written(host: str, port: int) -> bytes:
    """Address type, address and port."""
    address = ip_address(host)
    return bytes([_IPV4 if address.version == 4 else _IPV6]) + address.packed + struct.pack(">H", port)


async def _request(reader: asyncio.StreamReader) -> tuple[int, str, int]:
    """Command, host and port."""
    _version, command, _, kind = await reader.readexactly(4)
    if kind == _NAME:
        (size,) = await reader.readexactly(1)
        host = (await reader.readexactly(size)).decode("ascii", "replace")
    elif kind in (_IPV4, _IPV6):
        host = str(ip_address(await reader.readexactly(4 if kind == _IPV4 else 16)))
    else:
        raise Refusal(_NO_ADDRESS, f"address type {kind} is not known")
    (port,) = struct.unpack(">H", await reader.readexactly(2))
    if command not in (_CONNECT, _UDP):
        raise Refusal(_NO_COMMAND, f"{host}: only CONNECT and UDP ASSOCIATE are served")
    return command, host, port


def _reply(code: int) -> bytes:
    return bytes([_VERSION, code, 0, _IPV4]) + bytes(6)


def _answers(packet: bytes, wanted: int) -> list[str]:
    """Addresses in an answer, also those at the end of a chain of CNAMEs."""
    found = []
    try:
        (count,) = struct.unpack_from(">H", packet, 6)
        _, position = wire.read_name(packet, wire.QUESTION)
        position += 4
        for _ in range(count):
            _, position = wire.read_name(packet, position)
            kind, _, _, size = struct.unpack_from(">HHIH", packet, position)
            position += 10
            if kind == wanted:
                found.append(str(ip_address(packet[position : position + size])))
            position += size
    except (ValueError, struct.error):
        return found
    return found
