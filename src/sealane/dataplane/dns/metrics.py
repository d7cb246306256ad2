"""The metrics of a server, under the names and labels of CoreDNS (https://coredns.io/plugins/metrics/).

Answers that were prepared are counted by their kind, one list entry each, and become labels and buckets only when a
client reads `/metrics`: counting costs the fast path next to nothing.
"""

from __future__ import annotations

import os
import time
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sealane.dataplane.dns import wire

VERSION = "1.14.0"
"""Of the CoreDNS whose plugins, options and metrics these are."""
MAX_KINDS = 4096
"""Kinds of prepared answers that are told apart; beyond half of it their sizes are rounded."""
ROUNDED = 64

TIME = tuple(0.00025 * 2**power for power in range(16))
SLIM_TIME = tuple(0.00025 * 10**power for power in range(5))
REST_TIME = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
PROGRAMMING_TIME = tuple(0.001 * 2**power for power in range(20))
SIZE = (0.0, 100.0, 200.0, 300.0, 400.0, 511.0, 1023.0, 2047.0, 4095.0, 8291.0, 16e3, 32e3, 48e3, 64e3)

Labels = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Family:
    """One metric. buckets: upper bounds of a histogram, () for none."""

    type: str
    help: str
    labels: Labels = ()
    buckets: tuple[float, ...] = ()


_SERVER = ("server", "zone", "view")
_CACHE = ("server", "zones", "view")
FAMILIES: Mapping[str, Family] = {
    "coredns_build_info": Family(
        "gauge", "A metric with a constant '1' value labeled by version.", ("version", "revision", "goversion")
    ),
    "coredns_panics_total": Family("counter", "A metrics that counts the number of panics."),
    "coredns_plugin_enabled": Family(
        "gauge", "A metric that indicates whether a plugin is enabled on per server and zone basis.", (*_SERVER, "name")
    ),
    "coredns_dns_requests_total": Family(
        "counter", "Counter of DNS requests made per zone, protocol and family.", (*_SERVER, "proto", "family", "type")
    ),
    "coredns_dns_responses_total": Family(
        "counter", "Counter of response status codes.", (*_SERVER, "rcode", "plugin")
    ),
    "coredns_dns_do_requests_total": Family("counter", "Counter of DNS requests with DO bit set per zone.", _SERVER),
    "coredns_dns_request_duration_seconds": Family(
        "histogram", "Histogram of the time (in seconds) each request took per zone.", _SERVER, TIME
    ),
    "coredns_dns_request_size_bytes": Family(
        "histogram", "Size of the request in bytes per zone and protocol.", (*_SERVER, "proto"), SIZE
    ),
    "coredns_dns_response_size_bytes": Family(
        "histogram", "Size of the returned response in bytes.", (*_SERVER, "proto"), SIZE
    ),
    "coredns_cache_entries": Family(
        "gauge", "The number of elements in the cache.", ("server", "type", "zones", "view")
    ),
    "coredns_cache_requests_total": Family("counter", "The count of cache requests.", _CACHE),
    "coredns_cache_hits_total": Family("counter", "The count of cache hits.", ("server", "type", "zones", "view")),
    "coredns_cache_misses_total": Family("counter", "The count of cache misses.", _CACHE),
    "coredns_cache_prefetch_total": Family(
        "counter", "The number of times the cache has prefetched a cached item.", _CACHE
    ),
    "coredns_cache_drops_total": Family(
        "counter", "The number responses that are not cached, because the reply is malformed.", _CACHE
    ),
    "coredns_cache_served_stale_total": Family(
        "counter", "The number of requests served from stale cache entries.", _CACHE
    ),
    "coredns_cache_evictions_total": Family(
        "counter", "The count of cache evictions.", ("server", "type", "zones", "view")
    ),
    "coredns_forward_requests_total": Family("counter", "Counter of requests made per upstream.", ("to",)),
    "coredns_forward_responses_total": Family(
        "counter", "Counter of responses received per upstream.", ("to", "rcode")
    ),
    "coredns_forward_healthcheck_broken_total": Family(
        "counter", "Counter of the number of complete failures of the healthchecks."
    ),
    "coredns_forward_max_concurrent_rejects_total": Family(
        "counter",
        "Counter of the number of queries rejected because the concurrent queries were at maximum.",
    ),
    "coredns_proxy_request_duration_seconds": Family(
        "histogram", "Histogram of the time each request took.", ("proxy_name", "to", "rcode"), TIME
    ),
    "coredns_proxy_healthcheck_failures_total": Family(
        "counter", "Counter of the number of failed healthchecks.", ("proxy_name", "to")
    ),
    "coredns_health_request_duration_seconds": Family(
        "histogram", "Histogram of the time (in seconds) each request took.", (), SLIM_TIME
    ),
    "coredns_health_request_failures_total": Family("counter", "The number of times the health check failed."),
    "coredns_reload_failed_total": Family("counter", "Counter of the number of failed reload attempts."),
    "coredns_reload_version_info": Family(
        "gauge", "A metric with a constant '1' value labeled by hash.", ("hash", "value")
    ),
    "coredns_hosts_entries": Family("gauge", "The combined number of entries in hosts and Corefile.", ("hostsfile",)),
    "coredns_template_matches_total": Family(
        "counter", "Counter of template regex matches.", (*_SERVER, "class", "type")
    ),
    "coredns_autopath_success_total": Family("counter", "Counter of requests that did autopath.", ("server",)),
    "coredns_kubernetes_dns_programming_duration_seconds": Family(
        "histogram",
        "Histogram of the time (in seconds) it took to program a dns instance.",
        ("service_kind",),
        PROGRAMMING_TIME,
    ),
    "coredns_kubernetes_rest_client_requests_total": Family(
        "counter",
        "Number of HTTP requests, partitioned by status code, method, and host.",
        ("code", "method", "host"),
    ),
    "coredns_kubernetes_rest_client_request_duration_seconds": Family(
        "histogram", "Request latency in seconds. Broken down by verb and host.", ("verb", "host"), REST_TIME
    ),
    "process_cpu_seconds_total": Family("counter", "Total user and system CPU time spent in seconds."),
    "process_resident_memory_bytes": Family("gauge", "Resident memory size in bytes."),
    "process_start_time_seconds": Family("gauge", "Start time of the process since unix epoch in seconds."),
    "process_open_fds": Family("gauge", "Number of open file descriptors."),
}
COUNTED_TYPES = frozenset(
    [
        "AAAA",
        "A",
        "CNAME",
        "DNSKEY",
        "DS",
        "HTTPS",
        "MX",
        "NS",
        "NSEC",
        "NSEC3",
        "NSEC3PARAM",
        "PTR",
        "RRSIG",
        "SOA",
        "SRV",
        "SSHFP",
        "SVCB",
        "TLSA",
        "TXT",
        "ANY",
        "AXFR",
        "IXFR",
    ]
)
"""Types with a label of their own; the others are "other"."""
_STARTED = time.time()


@dataclass(frozen=True, slots=True)
class Kind:
    """The kind under which a prepared answer is counted. request, response: sizes in bytes."""

    zone: str
    type: str
    rcode: str
    dnssec_ok: bool
    request: int
    response: int


class Kinds:
    """Numbers for kinds of answers, small enough to be indexes of a list."""

    def __init__(self) -> None:
        self.known: list[Kind] = []
        self._numbers: dict[Kind, int] = {}

    def number(self, zone: str, query: wire.Query, response: bytes) -> int:
        request, size = query.client.size, len(response)
        if len(self.known) > MAX_KINDS // 2:
            request, size = (-(-one // ROUNDED) * ROUNDED for one in (request, size))
        kind = Kind(zone, type_label(query), rcode_label(response), query.dnssec_ok, request, size)
        number = self._numbers.get(kind)
        if number is None:
            if len(self.known) >= MAX_KINDS:
                return 0
            number = self._numbers[kind] = len(self.known)
            self.known.append(kind)
        return number


@dataclass(slots=True)
class Tally:
    """Prepared answers that went out by one socket: how many of each kind, and the time spent on all, in seconds."""

    server: str
    family: str
    counts: list[int] = field(default_factory=lambda: [0] * MAX_KINDS)
    seconds: float = 0.0


class Metrics:
    """All that one server counts. parent: what it shares with others of its process."""

    def __init__(self, parent: Metrics | None = None) -> None:
        self.kinds: Kinds = parent.kinds if parent is not None else Kinds()
        self._parent = parent
        self._numbers: dict[str, dict[Labels, float]] = {}
        self._histograms: dict[str, dict[Labels, list[float]]] = {}  # a count for each bucket and beyond, then the sum
        self._tallies: list[Tally] = []

    def tally(self, server: str, ipv6: bool) -> Tally:
        """A new one for a socket; `retire` it when that is served no more."""
        found = Tally(server, "2" if ipv6 else "1")
        self._tallies.append(found)
        return found

    def retire(self, tally: Tally) -> None:
        self._fold(tally)
        self._tallies.remove(tally)

    def add(self, name: str, *labels: str, number: float = 1) -> None:
        held = self._numbers.setdefault(name, {})
        held[labels] = held.get(labels, 0) + number

    def set(self, name: str, *labels: str, number: float) -> None:
        self._numbers.setdefault(name, {})[labels] = number

    def clear(self, name: str) -> None:
        """Forgets a gauge with all its labels."""
        self._numbers.pop(name, None)

    def observe(self, name: str, *labels: str, value: float, times: int = 1) -> None:
        """times: how many observations of this value."""
        buckets = FAMILIES[name].buckets
        held = self._histograms.setdefault(name, {}).setdefault(labels, [0.0] * (len(buckets) + 2))
        held[bisect_left(buckets, value)] += times
        held[-1] += value * times

    def answered(self, server: str, zone: str, query: wire.Query, response: bytes, seconds: float) -> None:
        """One answer that was not a prepared one. zone: of the server block, with its final dot."""
        client, base = query.client, (server, zone, "")
        family = "2" if ":" in client.address else "1"
        self.add("coredns_dns_requests_total", *base, client.protocol, family, type_label(query))
        plugin = query.trail[-1] if query.trail else ""
        self.add("coredns_dns_responses_total", *base, rcode_label(response), plugin)
        if query.dnssec_ok:
            self.add("coredns_dns_do_requests_total", *base)
        self.observe("coredns_dns_request_duration_seconds", *base, value=seconds)
        self.observe("coredns_dns_request_size_bytes", *base, client.protocol, value=client.size)
        self.observe("coredns_dns_response_size_bytes", *base, client.protocol, value=len(response))

    def text(self) -> str:
        """All of it in Prometheus' text format."""
        for tally in self._tallies:
            self._fold(tally)
        self.set("coredns_build_info", VERSION, "", "", number=1)
        self.add("coredns_panics_total", number=0)
        self._measure_process()
        return "\n".join(self._lines()) + "\n"

    def _fold(self, tally: Tally) -> None:
        """Turns the counts of prepared answers into what they are labelled with."""
        total = sum(tally.counts)
        each = tally.seconds / total if total else 0.0
        for number, kind in enumerate(self.kinds.known):
            count = tally.counts[number]
            if not count:
                continue
            tally.counts[number] = 0
            base = (tally.server, kind.zone, "")
            self.add("coredns_dns_requests_total", *base, "udp", tally.family, kind.type, number=count)
            self.add("coredns_dns_responses_total", *base, kind.rcode, "kubernetes", number=count)
            if kind.dnssec_ok:
                self.add("coredns_dns_do_requests_total", *base, number=count)
            self.observe("coredns_dns_request_duration_seconds", *base, value=each, times=count)
            self.observe("coredns_dns_request_size_bytes", *base, "udp", value=kind.request, times=count)
            self.observe("coredns_dns_response_size_bytes", *base, "udp", value=kind.response, times=count)
        tally.seconds = 0.0

    def _measure_process(self) -> None:
        times = os.times()
        self.set("process_cpu_seconds_total", number=times.user + times.system)
        self.set("process_start_time_seconds", number=_STARTED)
        with open("/proc/self/statm", encoding="ascii") as file:
            pages = int(file.read().split()[1])
        self.set("process_resident_memory_bytes", number=pages * os.sysconf("SC_PAGE_SIZE"))
        self.set("process_open_fds", number=len(os.listdir("/proc/self/fd")))

    def _lines(self) -> Iterator[str]:
        shared = self._parent
        for name in sorted(FAMILIES):
            family = FAMILIES[name]
            numbers, histograms = self._numbers.get(name, {}), self._histograms.get(name, {})
            if shared is not None:
                numbers = {**shared._numbers.get(name, {}), **numbers}
                histograms = {**shared._histograms.get(name, {}), **histograms}
            if not numbers and not histograms:
                continue
            yield f"# HELP {name} {family.help}"
            yield f"# TYPE {name} {family.type}"
            for labels, number in sorted(numbers.items()):
                yield f"{name}{_written(family.labels, labels)} {number:.17g}"
            for labels, held in sorted(histograms.items()):
                yield from _histogram(name, family, labels, held)


def type_label(query: wire.Query) -> str:
    return name if (name := query.type_name) in COUNTED_TYPES else "other"


def rcode_label(response: bytes) -> str:
    return wire.RCODE_NAMES.get(response[3] & 0xF, str(response[3] & 0xF))


def _histogram(name: str, family: Family, labels: Labels, held: Sequence[float]) -> Iterator[str]:
    total = 0.0
    for bound, count in zip((*(f"{one:g}" for one in family.buckets), "+Inf"), held[:-1], strict=True):
        total += count
        yield f"{name}_bucket{_written((*family.labels, 'le'), (*labels, bound))} {total:.17g}"
    yield f"{name}_sum{_written(family.labels, labels)} {held[-1]:.17g}"
    yield f"{name}_count{_written(family.labels, labels)} {total:.17g}"


def _written(names: Labels, values: Labels) -> str:
    if not names:
        return ""
    quoted = (value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") for value in values)
    return "{" + ",".join(f'{name}="{value}"' for name, value in zip(names, quoted, strict=True)) + "}"
