"""Real packets from inside network namespaces: can a connection be opened, and does anyone answer?"""

from __future__ import annotations

import errno
import select
import socket
import struct
import time
from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Literal

import msgspec

from sealane.dataplane.linux import libc
from sealane.dataplane.linux.namespaces import in_thread, path_of
from sealane.dataplane.linux.topology import OUTSIDE_NAMESPACE as OUTSIDE
from sealane.dataplane.linux.topology import pod_namespace

Outcome = Literal["answered", "refused", "silent", "unreachable"]

AT_ONCE = 512
"""Connections under way at one time."""

# A question that a DNS server answers and an echo server returns: "is there a cluster.local?"
QUESTION = b"SL" + struct.pack("!5H", 0x0100, 1, 0, 0, 0) + b"\x07cluster\x05local\x00" + struct.pack("!2H", 1, 1)


class Probe(msgspec.Struct, frozen=True):
    """One connection to try. namespace: path of the network namespace it starts in. timeout: seconds to wait."""

    namespace: str
    protocol: Literal["TCP", "UDP"]
    address: str
    port: int
    timeout: float = 1.0


def probe(probes: Sequence[Probe], report: Callable[[int], None] | None = None) -> list[Outcome]:
    """The result of each probe, in their order.

    "answered": connected (TCP), or anything came back (UDP); "refused": by a reset or ICMP port unreachable; "silent":
    nothing within the timeout; "unreachable": no route, or the namespace has gone.
    report: told how many are done, from another thread. Blocks, about the longest timeout for each 512 silent ones.
    """
    return in_thread(lambda: _Run(probes, report).outcomes()) if probes else []


class ProbeRequest(msgspec.Struct):
    """A probe as another process asks for it. source: "outside", or a pod's UID."""

    source: str
    protocol: Literal["TCP", "UDP"]
    address: str
    port: int
    timeout: float


def requested(run_dir: Path, requests: Sequence[ProbeRequest]) -> list[Probe]:
    """The same as probes, below `run_dir` of a cluster."""
    return [
        Probe(
            str(path_of(run_dir, OUTSIDE if one.source == OUTSIDE else pod_namespace(one.source))),
            one.protocol,
            one.address,
            one.port,
            one.timeout,
        )
        for one in requests
    ]


class _Run:
    def __init__(self, probes: Sequence[Probe], report: Callable[[int], None] | None) -> None:
        self._probes = probes
        self._report = report
        self._found: dict[int, Outcome] = {}
        self._open: dict[int, tuple[int, socket.socket, float]] = {}
        self._poll = select.poll()

    def outcomes(self) -> list[Outcome]:
        # Those of one namespace together: entering one costs more than opening a socket.
        order = sorted(range(len(self._probes)), key=lambda index: self._probes[index].namespace)
        for namespace, indexes in groupby(order, key=lambda index: self._probes[index].namespace):
            waiting = list(indexes)
            try:
                libc.enter(namespace)
            except OSError:
                self._found.update(dict.fromkeys(waiting, "unreachable"))
                continue
            for index in waiting:
                while len(self._open) >= AT_ONCE:
                    self._wait()
                self._start(index)
        while self._open:
            self._wait()
        return [self._found[index] for index in range(len(self._probes))]

    def _start(self, index: int) -> None:
        wanted = self._probes[index]
        kind = socket.SOCK_STREAM if wanted.protocol == "TCP" else socket.SOCK_DGRAM
        family = socket.AF_INET6 if ":" in wanted.address else socket.AF_INET
        sock = socket.socket(family, kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        error = sock.connect_ex((wanted.address, wanted.port))
        if error not in (0, errno.EINPROGRESS):
            self._end(index, sock, _outcome(error))
            return
        if kind == socket.SOCK_DGRAM:
            try:
                sock.send(QUESTION)
            except OSError as problem:
                self._end(index, sock, _outcome(problem.errno or 0))
                return
        self._open[sock.fileno()] = index, sock, time.monotonic() + wanted.timeout
        self._poll.register(sock, select.POLLOUT if kind == socket.SOCK_STREAM else select.POLLIN)

    def _wait(self) -> None:
        soonest = min(deadline for _, _, deadline in self._open.values())
        for descriptor, _ in self._poll.poll(max(0, (soonest - time.monotonic()) * 1000) + 1):
            index, sock, _ = self._open.pop(descriptor)
            self._poll.unregister(descriptor)
            self._end(index, sock, _answer(sock))
        now = time.monotonic()
        for descriptor in [descriptor for descriptor, (_, _, deadline) in self._open.items() if deadline <= now]:
            index, sock, _ = self._open.pop(descriptor)
            self._poll.unregister(descriptor)
            self._end(index, sock, "silent")

    def _end(self, index: int, sock: socket.socket, outcome: Outcome) -> None:
        sock.close()
        self._found[index] = outcome
        if self._report is not None:
            self._report(len(self._found))


def _answer(sock: socket.socket) -> Outcome:
    if sock.type == socket.SOCK_STREAM:
        error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        return _outcome(error) if error else "answered"
    try:
        sock.recv(2048)
    except OSError as problem:
        return _outcome(problem.errno or 0)
    return "answered"


def _outcome(error: int) -> Outcome:
    if error == errno.ECONNREFUSED:
        return "refused"
    return "silent" if error == errno.ETIMEDOUT else "unreachable"
