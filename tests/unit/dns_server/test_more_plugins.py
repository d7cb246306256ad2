"""Plugins whose answers depend on more than one question: cache, forward, loop, autopath, errors, log, metrics."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import dns.message
import dns.rcode
import dns.rrset
import pytest

from sealane.dataplane.dns.corefile import CorefileError, parse
from sealane.dataplane.dns.journal import Journal
from sealane.dataplane.dns.metrics import Metrics
from sealane.dataplane.dns.plugins.chain import configuration
from sealane.dataplane.dns.plugins.kubernetes import Kubernetes
from sealane.dataplane.dns.program import Program
from sealane.dataplane.dns.route import Outside, route
from sealane.dataplane.dns.server import Server
from sealane.dataplane.dns.table import Table
from sealane.dataplane.dns.wire import parse as parse_query
from sealane.network.names import Record, Zone, ZoneData

from .conftest import DATA, WEB


@dataclass
class Upstream:
    """A server with one answer for all, or none at all: `answer` makes it; `asked` are the questions that came."""

    answer: Callable[[dns.message.Message], None]
    silent: bool = False
    asked: list[dns.message.Message] = field(default_factory=list)
    sock: socket.socket = field(default_factory=lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))

    def start(self) -> str:
        self.sock.bind(("127.0.0.1", 0))
        self.sock.setblocking(False)
        asyncio.get_running_loop().add_reader(self.sock, self._received)
        host, port = self.sock.getsockname()
        return f"{host}:{port}"

    def _received(self) -> None:
        packet, peer = self.sock.recvfrom(4096)
        self.asked.append(dns.message.from_wire(packet))
        if not self.silent:
            response = dns.message.make_response(self.asked[-1])
            self.answer(response)
            self.sock.sendto(response.to_wire(), peer)

    def stop(self) -> None:
        asyncio.get_running_loop().remove_reader(self.sock)
        self.sock.close()

    def names(self) -> list[str]:
        """What was asked for, checks of health left out."""
        return [str(one.question[0].name) for one in self.asked if one.question[0].rdtype != dns.rdatatype.NS]


def address(ttl: int = 60, text: str = "192.0.2.1") -> Callable[[dns.message.Message], None]:
    def answer(response: dns.message.Message) -> None:
        response.answer.append(dns.rrset.from_text(response.question[0].name, ttl, "IN", "A", text))

    return answer


def fails(response: dns.message.Message) -> None:
    response.set_rcode(dns.rcode.SERVFAIL)


def missing(response: dns.message.Message) -> None:
    response.set_rcode(dns.rcode.NXDOMAIN)
    soa = "ns.example.com. h.example.com. 1 7200 900 1209600 900"
    response.authority.append(dns.rrset.from_text("example.com.", 3600, "IN", "SOA", soa))


@dataclass
class Playing:
    """A server on loopback. ask: its answer to a name and a type."""

    ask: Callable[..., Awaitable[dns.message.Message]]
    server: Server
    metrics: Metrics


def play(
    corefile: str,
    upstreams: Sequence[Upstream],
    scene: Callable[[Playing], Awaitable[None]],
    journal: Journal | None = None,
    outside: Outside | None = None,
) -> None:
    """UP0, UP1, … in the Corefile are the upstreams."""

    async def run() -> None:
        for index, upstream in enumerate(upstreams):
            nonlocal corefile
            corefile = corefile.replace(f"UP{index}", upstream.start())
        metrics, loop = Metrics(), asyncio.get_running_loop()
        program = Program(configuration(parse(f".:53 {{\n{corefile}\n}}\n")), table)
        server = Server(metrics=metrics, journal=journal)
        chains = program.configuration.chains
        server.configure([route(one, program.table(one), outside or Outside(), metrics, "dns://:53") for one in chains])
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind(("127.0.0.1", 0))
        udp.setblocking(False)
        server.serve([udp])

        async def ask(name: str, type_: str = "A", **options: object) -> dns.message.Message:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                client.setblocking(False)
                client.connect(udp.getsockname())
                query = dns.message.make_query(name, type_, **options)  # type: ignore[arg-type]
                await loop.sock_sendall(client, query.to_wire())
                return dns.message.from_wire(await asyncio.wait_for(loop.sock_recv(client, 4096), 10))

        await scene(Playing(ask, server, metrics))
        server.release([udp])
        await server.close()
        udp.close()
        for upstream in upstreams:
            upstream.stop()

    asyncio.run(run())


def table(wanted: Kubernetes, balanced: bool = True) -> Table:
    made = Table(Zone(wanted.domain, "disabled"), wanted.ttl, wanted.zones, balanced=balanced)
    for data in DATA:
        made.change(None, data)
    return made


def ttl(response: dns.message.Message) -> int:
    return int((response.answer or response.authority)[0].ttl)


def count(metrics: Metrics, name: str) -> float:
    return sum(float(line.split()[-1]) for line in metrics.text().splitlines() if line.startswith(name))


# cache


@pytest.mark.parametrize(
    ("cache", "answer", "times", "seconds"),
    [
        ("cache 30", address(60), 1, 30),
        ("cache 30", address(12), 1, 12),
        ("cache 30", address(1), 1, 5),  # remembered for five seconds at least
        ("cache {\nsuccess 100 20 15\n}", address(1), 1, 15),
        ("cache {\nkeepttl\n}", address(60), 1, 60),
        ("cache 30", missing, 1, 30),
        ("cache {\ndenial 100 7\n}", missing, 1, 7),
        ("cache {\ndisable denial\n}", missing, 3, 3600),
        ("cache {\ndisable success example.com\n}", address(60), 3, 60),
        ("cache 30 other.org", address(60), 3, 60),
        ("cache 30", fails, 1, None),
        ("cache {\nservfail 0\n}", fails, 3, None),
    ],
)
def test_what_is_remembered(
    cache: str, answer: Callable[[dns.message.Message], None], times: int, seconds: int | None
) -> None:
    upstream = Upstream(answer)

    async def scene(playing: Playing) -> None:
        for _ in range(3):
            response = await playing.ask("a.example.com")
            if seconds is not None:
                assert ttl(response) == seconds
        assert upstream.names() == ["a.example.com."] * times

    play(f"{cache}\nforward . UP0", [upstream], scene)


def test_a_full_cache_forgets_what_came_first() -> None:
    upstream = Upstream(address())

    async def scene(playing: Playing) -> None:
        for name in ("a.example.com", "b.example.com", "c.example.com", "a.example.com", "c.example.com"):
            await playing.ask(name)
        assert upstream.names() == ["a.example.com.", "b.example.com.", "c.example.com.", "a.example.com."]
        assert count(playing.metrics, "coredns_cache_evictions_total") == 2
        assert count(playing.metrics, "coredns_cache_hits_total") == 1

    play("cache {\nsuccess 2\n}\nforward . UP0", [upstream], scene)


@pytest.mark.parametrize("mode", ["immediate", "verify"])
def test_an_old_answer_is_better_than_none(mode: str) -> None:
    upstream = Upstream(address(1))

    async def scene(playing: Playing) -> None:
        await playing.ask("a.example.com")
        memory = playing.server.routes[0].memory
        for held in memory._held.values():
            for reply in held.values():
                reply.since -= 100  # as if that much time had gone by
        upstream.answer = fails
        response = await playing.ask("a.example.com")
        assert (ttl(response), str(response.answer[0][0])) == (0, "192.0.2.1")
        assert count(playing.metrics, "coredns_cache_served_stale_total") == 1
        while upstream.names().count("a.example.com.") < 2:  # it may be asked behind the answer, and has to fail first
            await asyncio.sleep(0.01)
        upstream.answer = address(77, "192.0.2.9")
        for _ in range(100):
            if str((await playing.ask("a.example.com")).answer[0][0]) == "192.0.2.9":
                break
            await asyncio.sleep(0.01)
        assert upstream.names().count("a.example.com.") >= 3

    play(f"cache {{\nserve_stale 1h {mode}\n}}\nforward . UP0 {{\nmax_fails 0\n}}", [upstream], scene)


def test_what_is_asked_for_often_is_asked_anew_in_time() -> None:
    upstream = Upstream(address(60))

    async def scene(playing: Playing) -> None:
        await playing.ask("a.example.com")
        for held in playing.server.routes[0].memory._held.values():
            for reply in held.values():
                reply.since -= 57  # three seconds are left
        for _ in range(2):
            assert ttl(await playing.ask("a.example.com")) == 3
        for _ in range(100):
            if ttl(await playing.ask("a.example.com")) == 60:
                break
            await asyncio.sleep(0.01)
        assert len(upstream.names()) == 2
        assert count(playing.metrics, "coredns_cache_prefetch_total") == 1

    play("cache {\nprefetch 2 1m 10%\n}\nforward . UP0", [upstream], scene)


# forward


def test_policies() -> None:
    for policy, wanted in (("sequential", [4, 0]), ("round_robin", [2, 2])):
        upstreams = [Upstream(address()), Upstream(address())]

        async def scene(playing: Playing) -> None:
            for index in range(4):
                await playing.ask(f"n{index}.example.com")
            assert sorted(len(one.asked) for one in upstreams) == sorted(wanted)  # noqa: B023

        play(f"forward . UP0 UP1 {{\npolicy {policy}\n}}", upstreams, scene)


def test_a_server_that_is_down_is_left_alone_until_it_answers_again() -> None:
    down, up = Upstream(address(text="192.0.2.1")), Upstream(address(text="192.0.2.2"))
    closed = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    closed.bind(("127.0.0.1", 0))
    free = closed.getsockname()
    closed.close()

    async def scene(playing: Playing) -> None:
        for _ in range(20):
            assert str((await playing.ask("a.example.com")).answer[0][0]) == "192.0.2.2"
        for _ in range(300):
            if count(playing.metrics, "coredns_proxy_healthcheck_failures_total") > 2:
                break
            await asyncio.sleep(0.01)
        asked = f'coredns_forward_requests_total{{to="127.0.0.1:{free[1]}"}}'
        before = count(playing.metrics, asked)
        await playing.ask("b.example.com")
        assert count(playing.metrics, asked) == before
        assert (
            count(playing.metrics, f'coredns_forward_requests_total{{to="127.0.0.1:{up.sock.getsockname()[1]}"}}') == 21
        )

    text = f"forward . 127.0.0.1:{free[1]} UP1 {{\npolicy sequential\nmax_fails 2\nhealth_check 10ms\n}}"
    play(text, [down, up], scene)


def test_answers_with_which_another_is_asked() -> None:
    first, second = Upstream(fails), Upstream(address())

    async def scene(playing: Playing) -> None:
        assert (await playing.ask("a.example.com")).answer

    play("forward . UP0 UP1 {\npolicy sequential\nfailover SERVFAIL\n}", [first, second], scene)
    first, second = Upstream(missing), Upstream(address())
    play("forward . UP0 {\nnext NXDOMAIN\n}\nforward . UP1", [first, second], scene)


def test_too_many_questions_at_a_time_are_refused() -> None:
    upstream = Upstream(address(), silent=True)

    async def scene(playing: Playing) -> None:
        waiting = asyncio.ensure_future(playing.ask("a.example.com"))
        while not upstream.asked:
            await asyncio.sleep(0.01)
        assert (await playing.ask("b.example.com")).rcode() == dns.rcode.REFUSED
        assert count(playing.metrics, "coredns_forward_max_concurrent_rejects_total") == 1
        waiting.cancel()

    play("forward . UP0 {\nmax_concurrent 1\n}", [upstream], scene)


@pytest.mark.parametrize(("name", "rcode"), [("localhost", "NOERROR"), ("other.example", "SERVFAIL")])
def test_servers_asked_by_tls(tmp_path: Path, name: str, rcode: str) -> None:
    """Only one whose certificate is for the name that is asked for is believed."""
    from sealane.cluster import pki

    credentials = pki.ensure(tmp_path)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        query = dns.message.from_wire(await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big")))
        response = dns.message.make_response(query)
        address()(response)
        wire = response.to_wire()
        writer.write(len(wire).to_bytes(2, "big") + wire)
        await writer.drain()
        writer.close()

    async def run() -> None:
        listening = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=pki.server_context(credentials))
        port = listening.sockets[0].getsockname()[1]
        text = f"forward . tls://127.0.0.1:{port} {{\ntls /etc/coredns/ca.crt\ntls_servername {name}\nmax_fails 0\n}}"
        files = {"ca.crt": credentials.ca}
        (chain,) = configuration(parse(f".:53 {{\n{text}\n}}\n"), files).chains
        server = Server(route(chain, None, Outside(), Metrics(), "dns://:53"))
        question = dns.message.make_query("a.example.com", "A").to_wire()
        response = dns.message.from_wire(await server.answer(parse_query(question)))
        assert dns.rcode.to_text(response.rcode()) == rcode
        assert [str(rrset[0]) for rrset in response.answer] == ["192.0.2.1"] * (rcode == "NOERROR")
        await server.close()
        listening.close()

    asyncio.run(run())


# rewrite


@pytest.mark.parametrize(
    ("rules", "name", "type_", "answers"),
    [
        ("rewrite ttl a.example.com 7", "a.example.com", "A", ["a.example.com. 7 IN A 192.0.2.1"]),
        ("rewrite ttl regex (.*)\\.example\\.com 100-200", "a.example.com", "A", ["a.example.com. 100 IN A 192.0.2.1"]),
        ("rewrite ttl suffix example.com -30", "a.example.com", "A", ["a.example.com. 30 IN A 192.0.2.1"]),
        ("rewrite ttl suffix example.com 30-", "a.example.com", "A", ["a.example.com. 60 IN A 192.0.2.1"]),
        ("rewrite ttl b.example.com 7", "a.example.com", "A", ["a.example.com. 60 IN A 192.0.2.1"]),
        (
            "rewrite continue {\nttl suffix example.com 9\n}\nrewrite name a.example.com b.example.com",
            "a.example.com",
            "A",
            ["a.example.com. 9 IN A 192.0.2.1"],
        ),
        ("rewrite type MX A", "a.example.com", "MX", ["a.example.com. 60 IN A 192.0.2.1"]),
    ],
)
def test_rewritten_answers(rules: str, name: str, type_: str, answers: list[str]) -> None:
    async def scene(playing: Playing) -> None:
        response = await playing.ask(name, type_)
        assert [rrset.to_text() for rrset in response.answer] == answers

    play(f"{rules}\nforward . UP0", [Upstream(address())], scene)


def test_rewritten_codes_classes_targets_and_values() -> None:
    def aliased(response: dns.message.Message) -> None:
        name = str(response.question[0].name)
        if name == "my.example.com.":
            response.answer.append(dns.rrset.from_text(name, 60, "IN", "CNAME", "my.cdn.example.net."))
            response.answer.append(dns.rrset.from_text("my.cdn.example.net.", 60, "IN", "A", "192.0.2.1"))
        else:
            response.answer.append(dns.rrset.from_text(name, 30, "IN", "A", "192.0.2.2"))

    async def target(playing: Playing) -> None:
        response = await playing.ask("my.example.com")
        assert [rrset.to_text() for rrset in response.answer] == [
            "my.example.com. 60 IN CNAME my.other.example.org.",
            "my.other.example.org. 30 IN A 192.0.2.2",
        ]

    play(
        "rewrite cname regex (.*)\\.cdn\\.example\\.net\\. {1}.other.example.org.\nforward . UP0",
        [Upstream(aliased)],
        target,
    )

    async def code(playing: Playing) -> None:
        assert (await playing.ask("a.example.com")).rcode() == dns.rcode.NXDOMAIN

    play("rewrite rcode suffix example.com SERVFAIL NXDOMAIN\nforward . UP0", [Upstream(fails)], code)

    async def class_(playing: Playing) -> None:
        assert (await playing.ask(WEB, "A", rdclass="CH")).answer
        assert (await playing.ask(WEB, "A", rdclass="HS")).rcode() == dns.rcode.REFUSED

    play("rewrite class CH IN\nkubernetes cluster.local", [], class_)

    async def value(playing: Playing) -> None:
        response = await playing.ask(f"_http._tcp.{WEB}", "SRV")
        assert str(response.answer[0][0]) == "0 100 80 web.shop.example.org."
        assert str(response.additional[0].name) == f"{WEB}."

    rule = (
        "rewrite stop {\nname suffix .cluster.local .cluster.local\n"
        "answer value (.*)\\.svc\\.cluster\\.local\\. {1}.example.org.\n}"
    )
    play(f"{rule}\nkubernetes cluster.local", [], value)

    async def suffix(playing: Playing) -> None:
        response = await playing.ask("_http._tcp.web.shop.here", "SRV")
        assert response.answer[0].to_text() == f"_http._tcp.web.shop.here. 5 IN SRV 0 100 80 {WEB}."
        assert str(response.additional[0].name) == "web.shop.here."

    play("rewrite name suffix .here .svc.cluster.local answer auto\nkubernetes cluster.local", [], suffix)


@pytest.mark.parametrize(
    ("rule", "code", "data"),
    [
        ("edns0 local set 0xffee 0x61626364", 0xFFEE, b"abcd"),
        ("edns0 local set 0xffee abcd", 0xFFEE, b"abcd"),
        ("edns0 local append 0xffee {qname}", 0xFFEE, b"a.example.com."),
        ("edns0 local set 0xffee {client_ip}", 0xFFEE, bytes([127, 0, 0, 1])),
        ("edns0 local replace 0xffee abcd", 0xFFEE, None),
        ("edns0 nsid set", 3, b""),
        ("edns0 subnet set 24 56", 8, b"\0\1\x18\0\x7f\0\0"),
    ],
)
def test_options_for_servers_upstream(rule: str, code: int, data: bytes | None) -> None:
    upstream = Upstream(address())

    async def scene(playing: Playing) -> None:
        await playing.ask("a.example.com")
        sent = {int(option.otype): option.to_wire() for option in upstream.asked[0].options}
        assert sent.get(code) == data

    play(f"rewrite {rule}\nforward . UP0", [upstream], scene)


# autopath


def test_the_server_walks_the_search_path_of_the_pod_that_asks() -> None:
    upstream = Upstream(address())

    async def scene(playing: Playing) -> None:
        response = await playing.ask("www.example.com.shop.svc.cluster.local")
        assert [rrset.to_text() for rrset in response.answer] == [
            "www.example.com.shop.svc.cluster.local. 60 IN CNAME www.example.com.",
            "www.example.com. 60 IN A 192.0.2.1",
        ]
        assert upstream.names() == ["www.example.com."]
        assert (await playing.ask(WEB)).answer[0].to_text() == f"{WEB}. 5 IN A 10.96.0.20"
        other = await playing.ask("www.example.com.other.svc.cluster.local")
        assert other.rcode() == dns.rcode.NXDOMAIN

    text = "autopath @kubernetes\nkubernetes cluster.local {\npods verified\n}\nforward . UP0"
    play(text, [upstream], scene, outside=Outside(namespace_of=lambda address: "shop"))


# loop, errors, log


def test_a_loop_is_found() -> None:
    async def scene(playing: Playing) -> None:
        (one,) = playing.server.routes
        assert one.loop is not None
        for _ in range(2):
            assert not one.loop.found
            await playing.ask(one.loop.name, "HINFO")
        response = await playing.ask(one.loop.name, "HINFO")
        assert response.rcode() == dns.rcode.SERVFAIL
        assert one.loop.found
        assert (await playing.ask("a.example.com")).rcode() == dns.rcode.SERVFAIL

    play("loop\nforward . UP0", [Upstream(missing)], scene)


def test_errors_are_said_together(tmp_path: Path) -> None:
    path = tmp_path / "log"
    journal = Journal(str(path))

    async def scene(playing: Playing) -> None:
        for index in range(3):
            assert (await playing.ask(f"n{index}.example.com")).rcode() == dns.rcode.SERVFAIL
        await asyncio.sleep(0.3)
        journal.write()

    text = 'errors {\nconsolidate 200ms ".*refused.*" warning\n}\nforward . 127.0.0.1:1 {\nmax_fails 0\n}'
    play(text, [], scene, journal)
    lines = [line.split(" ", 3)[3] for line in path.read_text().splitlines()]
    assert lines == ["[WARNING] plugin/errors: 3 errors like '.*refused.*' occurred in last 0.2s"]


def test_each_error_is_said(tmp_path: Path) -> None:
    path = tmp_path / "log"
    journal = Journal(str(path))

    async def scene(playing: Playing) -> None:
        await playing.ask("a.example.com")
        journal.write()

    play("errors\nforward . 127.0.0.1:1 {\nmax_fails 0\n}", [], scene, journal)
    assert re.search(r"\[ERROR\] plugin/errors: 2 a\.example\.com\. A: 127\.0\.0\.1:1: .*refused", path.read_text())


def test_what_is_logged(tmp_path: Path) -> None:
    path = tmp_path / "log"
    journal = Journal(str(path))

    async def scene(playing: Playing) -> None:
        for name in (WEB, WEB, f"no.{WEB}", "other.org"):
            await playing.ask(name)
        journal.write()
        assert count(playing.metrics, "coredns_dns_requests_total") == 4

    text = 'log cluster.local "{>id}{type} {name} {rcode} {>rflags} {proto} {class}"\nkubernetes cluster.local'
    play(text, [], scene, journal)
    said = [re.sub(r"\[INFO\] \d+", "", line.split(" ", 3)[3]) for line in path.read_text().splitlines()]
    assert said == [f"A {WEB}. NOERROR qr,aa,rd,ra udp IN"] * 2 + [f"A no.{WEB}. NXDOMAIN qr,aa,rd,ra udp IN"]


def test_answers_are_counted_whichever_way_they_go() -> None:
    async def scene(playing: Playing) -> None:
        for _ in range(10):
            await playing.ask(WEB)
        await playing.ask("a.example.com", use_edns=0, want_dnssec=True)
        text = playing.metrics.text()
        labels = 'server="dns://:53",zone=".",view=""'
        assert f'coredns_dns_requests_total{{{labels},proto="udp",family="1",type="A"}} 11' in text
        assert f'coredns_dns_responses_total{{{labels},rcode="NOERROR",plugin="kubernetes"}} 10' in text
        assert f'coredns_dns_responses_total{{{labels},rcode="NOERROR",plugin="forward"}} 1' in text
        assert f"coredns_dns_do_requests_total{{{labels}}} 1" in text
        assert f"coredns_dns_request_duration_seconds_count{{{labels}}} 11" in text
        assert f'coredns_dns_request_size_bytes_bucket{{{labels},proto="udp",le="100"}} 11' in text
        assert "# TYPE coredns_dns_request_duration_seconds histogram" in text
        assert count(playing.metrics, "coredns_dns_requests_total") == 11  # Reading counts nothing twice.

    play("kubernetes cluster.local\nforward . UP0", [Upstream(address())], scene)


def test_without_loadbalance_records_do_not_take_turns() -> None:
    async def scene(playing: Playing) -> None:
        first = [str((await playing.ask("peers.shop.svc.cluster.local")).answer[0][0]) for _ in range(8)]
        assert len(set(first)) == 1

    play("kubernetes cluster.local", [], scene)

    async def balanced(playing: Playing) -> None:
        first = [str((await playing.ask("peers.shop.svc.cluster.local")).answer[0][0]) for _ in range(8)]
        assert len(set(first)) > 4

    play("kubernetes cluster.local\nloadbalance round_robin", [], balanced)


def test_which_services_have_names() -> None:
    """Of `labels`, `namespace_labels` and `ignore empty_service`, in `names.records`."""
    from sealane.kube.objects import Key, Object
    from sealane.kube.selectors import LabelSelector
    from sealane.network.names import cluster_names
    from sealane.reactive.collections import Graph, Source

    graph = Graph()
    services, slices, namespaces = (Source[Key, Object](graph, name) for name in ("services", "slices", "namespaces"))
    for name, labels in (("a", {"show": "yes"}), ("b", {})):
        namespace = Object({"kind": "Namespace", "metadata": {"name": name, "labels": labels}})
        namespaces.set(namespace.key, namespace)
        metadata = {"name": "web", "namespace": name, "labels": labels}
        raw = {"kind": "Service", "apiVersion": "v1", "metadata": metadata, "spec": {"clusterIP": "10.96.0.9"}}
        services.set(Object(raw).key, Object(raw))

    def names(**options: object) -> set[str]:
        found, _ = cluster_names(services, slices, namespaces, **options)  # type: ignore[arg-type]
        return {record.name for data in found.values() for record in data.records if record.type == "A"}

    one, other = "web.a.svc.cluster.local", "web.b.svc.cluster.local"
    assert names() == {one, other}
    assert names(labels=LabelSelector.parse("show=yes")) == {one}
    assert names(namespace_labels=LabelSelector.parse("!show")) == {other}
    assert names(empty=False) == set()


@pytest.mark.parametrize(
    ("plugins", "said"),
    [
        ("cache 0", "2: cache TTL can not be zero or negative: 0"),
        ("cache {\nprefetch 2 1m 5%\n}", "3: prefetch: expected a percentage from 10% to 90%, not '5%'"),
        ("cache {\nserve_stale 1h imediate\n}", "3: unknown mode of serve_stale 'imediate': did you mean 'immediate'?"),
        (
            "forward . 192.0.2.1 {\nhealth_check 5s no_rek\n}",
            "3: unknown option of health_check 'no_rek': did you mean 'no_rec'?",
        ),
        ("forward . 192.0.2.1 {\nnext NOSUCH\n}", "3: unknown response code 'NOSUCH': did you mean 'NOTAUTH'?"),
        ("health nowhere", "2: health: 'nowhere' is no address with a port, like :8080"),
        ("health {\nlameduk 5s\n}", "3: unknown option of health 'lameduk': did you mean 'lameduck'?"),
        ("prometheus 1:2:3", "2: prometheus: '1:2:3' is no address with a port, like :9153"),
        ("transfer {\n}", "2: transfer needs a 'to' with those who are allowed"),
        ("transfer {\nto nobody\n}", "3: transfer: 'nobody' is no address"),
        ("autopath @kubernetes", "2: autopath: there is no plugin 'kubernetes' to ask in this server block"),
        (
            "autopath @kubernetes\nkubernetes cluster.local",
            "2: autopath @kubernetes needs 'pods verified' in kubernetes: it looks clients up by address",
        ),
        ("log {\nclass eror\n}", "3: unknown class 'eror': did you mean 'error'?"),
        (
            "errors {\nconsolidate 5m\n}",
            "3: consolidate takes a duration and a regular expression, and perhaps a level",
        ),
        ("loadbalance rond_robin", "2: unknown policy of loadbalance 'rond_robin': did you mean 'round_robin'?"),
        ("reload 1s", "2: reload: interval value must be greater or equal to 2s"),
        ("rewrite ttl a.b 9-3", "2: rewrite ttl: 9-3 is an empty range"),
        ("rewrite edns0 local set 0xfffff a", "2: rewrite edns0: '0xfffff' is no code of an option"),
        ("rewrite class IN XX", "2: rewrite class takes two classes, like 'rewrite class CH IN'"),
        ("kubernetes a.b {\nignore all\n}", "3: ignore takes empty_service, and nothing else"),
        ("bind", "2: bind takes at least one address or interface"),
    ],
)
def test_what_is_said_about_bad_arguments(plugins: str, said: str) -> None:
    with pytest.raises(CorefileError) as caught:
        configuration(parse(f". {{\n{plugins}\n}}\n"))
    assert str(caught.value) == f"Corefile:{said}"


def test_a_transfer_holds_each_record_once() -> None:
    made = table(Kubernetes(("cluster.local",)))
    made.change(None, ZoneData((Record("1.0.96.10.in-addr.arpa", "PTR", f"{WEB}."),)))
    records = list(made.transfer("cluster.local"))
    assert records[0] == records[-1]
    assert records[0].type == "SOA"
    assert len(set(records[1:-1])) == len(records) - 2
    assert not any(record.type == "PTR" for record in records)
    assert [record.name for record in made.transfer("in-addr.arpa")][1:-1] == ["1.0.96.10.in-addr.arpa"]
