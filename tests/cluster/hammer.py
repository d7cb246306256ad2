"""Sends datagrams to every pod address there can be, all the time, and notes which pods were reached and which came by.

    python hammer.py ADDRESS… < {"reached": […], "came": […]}      prints {"reached": [address, …], "came": [pod, …]}

It goes on until it has read whom it must have seen, and has seen them all, or for 30 seconds more.

Reached is whoever answers on UDP port 8080, and whoever refuses it (an ICMP error of its own). On UDP port 9000 it
notes who sends what. Standard library only.
"""

from __future__ import annotations

import contextlib
import json
import select
import socket
import struct
import sys
import time

_RECVERR = {socket.AF_INET: (socket.IPPROTO_IP, 11), socket.AF_INET6: (socket.IPPROTO_IPV6, 25)}
_REFUSED = {(2, 3, 3), (3, 1, 4)}
"""(origin, ICMP type, code): port unreachable, which only the addressee itself says (linux/errqueue.h)."""


def sender(family: int) -> socket.socket:
    made = socket.socket(family, socket.SOCK_DGRAM)
    made.setsockopt(*_RECVERR[socket.AddressFamily(family)], 1)
    made.setblocking(False)
    return made


def drain(sending: socket.socket, reached: set[str]) -> None:
    with contextlib.suppress(BlockingIOError):
        while True:
            try:
                reached.add(sending.recvfrom(100)[1][0])
            except BlockingIOError:
                raise
            except OSError:
                continue
    with contextlib.suppress(BlockingIOError):
        while True:
            _, ancillary, _, addressee = sending.recvmsg(100, 512, socket.MSG_ERRQUEUE)
            for _level, _kind, data in ancillary:
                _errno, origin, kind, code = struct.unpack_from("=IBBB", data)
                if (origin, kind, code) in _REFUSED:
                    reached.add(addressee[0])


def main() -> None:
    senders = {family: sender(family) for family in (socket.AF_INET, socket.AF_INET6)}
    sink = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    sink.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    sink.bind(("::", 9000))
    sink.setblocking(False)
    targets = [(senders[socket.AF_INET6 if ":" in each else socket.AF_INET], each) for each in sys.argv[1:]]
    reached: set[str] = set()
    came: set[str] = set()
    awaited: dict[str, list[str]] | None = None
    deadline = 0.0
    print("sending", flush=True)
    while awaited is None or time.monotonic() < deadline:
        if awaited is None and select.select([sys.stdin], [], [], 0)[0]:
            awaited, deadline = json.loads(sys.stdin.readline()), time.monotonic() + 30
        if awaited is not None and reached.issuperset(awaited["reached"]) and came.issuperset(awaited["came"]):
            break
        for sending, address in targets:
            with contextlib.suppress(OSError):
                sending.sendto(b"?", (address, 8080))
        for sending in senders.values():
            drain(sending, reached)
        with contextlib.suppress(BlockingIOError):
            while True:
                came.add(sink.recv(100).decode())
        time.sleep(0.001)
    print(json.dumps({"reached": sorted(reached), "came": sorted(came)}), flush=True)


if __name__ == "__main__":
    main()
