"""Answers of servers upstream, remembered as the plugin `cache` says (https://coredns.io/plugins/cache/)."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from sealane.dataplane.dns import wire
from sealane.dataplane.dns.metrics import Metrics
from sealane.dataplane.dns.plugins.cache import Cache
from sealane.dataplane.dns.plugins.step import covered

Ask = Callable[[wire.Query], Awaitable[bytes]]
Sort = Literal["success", "denial"]


@dataclass(slots=True)
class Reply:
    """A server's message. ttls: offset of each record's TTL; opt: where the OPT record begins when it is the last.

    sort: "" for what is not remembered. seconds: how long it is, from `since`. hits: since `counted_from`.
    """

    message: bytes
    ttls: tuple[int, ...]
    opt: int | None
    sort: Sort | Literal[""] = ""
    seconds: int = 0
    since: float = 0.0
    hits: int = 0
    counted_from: float = 0.0
    fetching: bool = False

    def left(self, now: float) -> float:
        return self.since + self.seconds - now


class Memory:
    """Equal questions that wait for an answer are asked once. labels: server, zones and view, for what is counted.

    cache: None remembers nothing.
    """

    def __init__(self, cache: Cache | None, metrics: Metrics, labels: tuple[str, str, str]) -> None:
        self._cache = cache
        self._metrics = metrics
        self._labels = labels
        self._held: dict[Sort, dict[bytes, Reply]] = {"success": {}, "denial": {}}
        self._asking: dict[bytes, asyncio.Task[Reply]] = {}

    async def answer(self, query: wire.Query, ask: Ask) -> bytes:
        """The whole answer to `query`, of `ask` if it is not remembered. Raises what `ask` raises."""
        cache = self._cache
        if cache is None or not covered(cache.zones, query.name):
            return fitted(read(await ask(query)), query)
        now = asyncio.get_running_loop().time()
        sort = bytes([query.dnssec_ok, query.flags & wire.CD > 0]) + b"".join(data for _, data in query.options)
        key = query.question[:-4].lower() + query.question[-4:] + sort
        self._metrics.add("coredns_cache_requests_total", *self._labels)
        reply = self._held["success"].get(key) or self._held["denial"].get(key)
        if reply is not None and reply.left(now) > 0:
            self._count_hit(reply)
            self._prefetch(cache, key, reply, query, ask, now)
            query.trail.append("cache")
            return fitted(reply, query, int(now - reply.since), cache.keep_ttl)
        if reply is not None and -reply.left(now) < cache.stale_seconds:
            if cache.verify:
                try:
                    newer = await self._shared(key, query, ask, cache)
                    if newer.message[3] & 0xF in (wire.NOERROR, wire.NXDOMAIN):
                        return fitted(newer, query)
                except Exception:  # The old answer is better than any error.
                    pass
            else:
                self._refresh(key, reply, query, ask, cache)
            self._metrics.add("coredns_cache_served_stale_total", *self._labels)
            self._count_hit(reply)
            query.trail.append("cache")
            return fitted(reply, query, reply.seconds)
        self._metrics.add("coredns_cache_misses_total", *self._labels)
        return fitted(await self._shared(key, query, ask, cache), query)

    def measure(self) -> None:
        """Sets the gauges."""
        server, zones, view = self._labels
        for sort, held in self._held.items():
            self._metrics.set("coredns_cache_entries", server, sort, zones, view, number=len(held))

    def close(self) -> None:
        for task in self._asking.values():
            task.cancel()

    def _count_hit(self, reply: Reply) -> None:
        server, zones, view = self._labels
        self._metrics.add("coredns_cache_hits_total", server, reply.sort, zones, view)

    def _prefetch(self, cache: Cache, key: bytes, reply: Reply, query: wire.Query, ask: Ask, now: float) -> None:
        """Asks anew for what is asked for often and soon forgotten."""
        if not cache.prefetch:
            return
        if now - reply.counted_from > cache.prefetch_seconds:
            reply.hits, reply.counted_from = 0, now
        reply.hits += 1
        if reply.hits >= cache.prefetch and reply.left(now) < reply.seconds * cache.prefetch_share:
            if not reply.fetching:
                self._metrics.add("coredns_cache_prefetch_total", *self._labels)
            self._refresh(key, reply, query, ask, cache)

    def _refresh(self, key: bytes, reply: Reply, query: wire.Query, ask: Ask, cache: Cache) -> None:
        if not reply.fetching and key not in self._asking:
            reply.fetching = True
            self._begin(key, query, ask, cache).add_done_callback(lambda _: setattr(reply, "fetching", False))

    async def _shared(self, key: bytes, query: wire.Query, ask: Ask, cache: Cache) -> Reply:
        return await asyncio.shield(self._asking.get(key) or self._begin(key, query, ask, cache))

    def _begin(self, key: bytes, query: wire.Query, ask: Ask, cache: Cache) -> asyncio.Task[Reply]:
        async def asked() -> Reply:
            reply = classified(read(await ask(query)), cache, query.name)
            reply.since = reply.counted_from = asyncio.get_running_loop().time()
            return reply

        task = self._asking[key] = asyncio.create_task(asked())
        task.add_done_callback(lambda done: self._finished(key, done, cache))
        return task

    def _has(self, key: bytes) -> bool:
        return any(key in held for held in self._held.values())

    def _finished(self, key: bytes, task: asyncio.Task[Reply], cache: Cache) -> None:
        del self._asking[key]
        if task.cancelled() or task.exception() is not None:
            return
        reply = task.result()
        if not reply.sort or (reply.message[3] & 0xF == wire.SERVFAIL and cache.stale_seconds and self._has(key)):
            return
        for held in self._held.values():
            held.pop(key, None)
        held = self._held[reply.sort]
        if len(held) >= (cache.capacity if reply.sort == "success" else cache.denial_capacity):
            del held[next(iter(held))]  # The one that came first.
            server, zones, view = self._labels
            self._metrics.add("coredns_cache_evictions_total", server, reply.sort, zones, view)
        held[key] = reply


def read(message: bytes) -> Reply:
    """Finds the TTLs. Raises Malformed."""
    _, questions, answers, authorities, additionals = struct.unpack_from("!5H", message, 2)
    offset = wire.QUESTION
    for _ in range(questions):
        offset = wire.read_name(message, offset)[1] + 4
    ttls: list[int] = []
    opt = None
    for index in range(answers + authorities + additionals):
        start = offset
        _, offset = wire.read_name(message, offset)
        if offset + 10 > len(message):
            raise wire.Malformed("record cut short")
        type_, _, _, length = struct.unpack_from("!HHIH", message, offset)
        if type_ == wire.OPT:
            opt = start if index == answers + authorities + additionals - 1 else None
        else:
            ttls.append(offset + 4)
        offset += 10 + length
        if offset > len(message):
            raise wire.Malformed("record cut short")
    return Reply(message, tuple(ttls), opt)


def classified(reply: Reply, cache: Cache, name: str) -> Reply:
    """How long, and as what, `reply` is remembered; all its TTLs become that, unless they are to be kept."""
    message = reply.message
    flags, _, answers, _, _ = struct.unpack_from("!5H", message, 2)
    rcode = flags & 0xF
    if flags & wire.TC:
        return reply
    if rcode == wire.SERVFAIL:
        reply.sort, reply.seconds = ("denial", cache.servfail) if cache.servfail else ("", 0)
        return reply
    if rcode not in (wire.NOERROR, wire.NXDOMAIN) or not reply.ttls:
        return reply
    success = rcode == wire.NOERROR and answers > 0
    least, most = (cache.success_min, cache.success) if success else (cache.denial_min, cache.denial)
    given = [struct.unpack_from("!I", message, offset)[0] for offset in reply.ttls]
    if not success:
        given += _minimums(message, reply.ttls)
    seconds = max(min(*given, most), min(least, most))
    if seconds and not cache.disabled("success" if success else "denial", name):
        reply.sort, reply.seconds = "success" if success else "denial", seconds
        if not cache.keep_ttl:
            rewritten = bytearray(message)
            for offset in reply.ttls:
                struct.pack_into("!I", rewritten, offset, seconds)
            reply.message = bytes(rewritten)
    return reply


def _minimums(message: bytes, ttls: tuple[int, ...]) -> list[int]:
    """The last number of SOA records: how long it may be remembered that something is not there (RFC 2308)."""
    found = []
    for offset in ttls:
        type_, _, _, length = struct.unpack_from("!HHIH", message, offset - 4)
        if type_ == wire.TYPES["SOA"] and length >= 4:
            found.append(struct.unpack_from("!I", message, offset + 6 + length - 4)[0])
    return found


def fitted(reply: Reply, query: wire.Query, age: int = 0, keep_ttl: bool = False) -> bytes:
    """The reply as `query` wants it: its ID and case, TTLs grown older, OPT only for those who sent one."""
    message = bytearray(reply.message)
    message[:2] = query.id
    message[wire.QUESTION : wire.QUESTION + len(query.question)] = query.question
    if age > 0 and not keep_ttl:
        for offset in reply.ttls:
            (ttl,) = struct.unpack_from("!I", message, offset)
            struct.pack_into("!I", message, offset, max(0, ttl - age))
    if query.udp_size is None and reply.opt is not None:
        del message[reply.opt :]
        struct.pack_into("!H", message, 10, struct.unpack_from("!H", message, 10)[0] - 1)
    return bytes(message)
