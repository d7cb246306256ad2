"""Each plugin over real sockets: a Corefile, a question, its answer; and what is said about bad ones."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

import dns.message
import dns.query
import dns.rcode
import pytest

from sealane.dataplane.dns.corefile import CorefileError, parse
from sealane.dataplane.dns.metrics import Metrics
from sealane.dataplane.dns.plugins.chain import configuration
from sealane.dataplane.dns.plugins.kubernetes import Kubernetes
from sealane.dataplane.dns.program import Program
from sealane.dataplane.dns.route import Outside, route
from sealane.dataplane.dns.server import Server
from sealane.dataplane.dns.table import Table
from sealane.kube.objects import Object
from sealane.network.names import Record, Zone, ZoneData, cluster_names
from sealane.reactive.collections import Graph, Source

from .conftest import DATA, WEB, UpstreamServer

REVERSE = "20.0.96.10.in-addr.arpa"
FILES = {"own.hosts": "192.0.2.9 nine.example.com nine  # comment\n2001:db8::9 nine.example.com\n"}
TO = {number: f"hop-{number + 1}.shop.svc.cluster.local" for number in range(1, 9)} | {9: WEB}
ALIASES = {
    "self": "self.shop.svc.cluster.local",
    "loop-a": "loop-b.shop.svc.cluster.local",
    "loop-b": "loop-a.shop.svc.cluster.local",
    "astray": "nowhere.shop.svc.cluster.local",
    **{f"hop-{number}": target for number, target in TO.items()},
}
CASES = [
    # corefile, name, type, rcode, answers
    ("kubernetes cluster.local", WEB, "A", "NOERROR", [f"{WEB}. 5 IN A 10.96.0.20"]),
    ("kubernetes cluster.local {\n ttl 77\n}", WEB, "A", "NOERROR", [f"{WEB}. 77 IN A 10.96.0.20"]),
    ("kubernetes cluster.local", "10-1-2-3.shop.pod.cluster.local", "A", "NXDOMAIN", []),
    (
        "kubernetes cluster.local {\n pods insecure\n}",
        "10-1-2-3.shop.pod.cluster.local",
        "A",
        "NOERROR",
        ["10-1-2-3.shop.pod.cluster.local. 5 IN A 10.1.2.3"],
    ),
    ("kubernetes cluster.local in-addr.arpa", REVERSE, "PTR", "NOERROR", [f"{REVERSE}. 5 IN PTR {WEB}."]),
    ("kubernetes cluster.local in-addr.arpa", "9.9.9.9.in-addr.arpa", "PTR", "NXDOMAIN", []),
    (
        "kubernetes cluster.local\nhosts {\n10.96.0.20 a.b\n}",
        REVERSE,
        "PTR",
        "NOERROR",
        [f"{REVERSE}. 3600 IN PTR a.b."],
    ),
    (
        "kubernetes cluster.local {\n fallthrough\n}\nforward . UPSTREAM",
        "no.cluster.local",
        "A",
        "NXDOMAIN",
        [],
    ),
    (
        "forward . UPSTREAM",
        "api.example.com",
        "A",
        "NOERROR",
        ["api.example.com. 60 IN CNAME edge.example.net.", "edge.example.net. 20 IN A 192.0.2.80"],
    ),
    ("forward . UPSTREAM {\n policy round_robin\n except example.com\n}", "api.example.com", "A", "REFUSED", []),
    ("forward . UPSTREAM {\n force_tcp\n}", "silent.example.com", "A", "NXDOMAIN", []),
    ("forward . 127.0.0.1:1 UPSTREAM {\n policy sequential\n}", "api.example.com", "A", "NOERROR", None),
    ("forward example.org UPSTREAM", "api.example.com", "A", "REFUSED", []),
    (
        "hosts {\n 192.0.2.1 one.example.com\n ttl 9\n fallthrough\n}",
        "ONE.example.com",
        "A",
        "NOERROR",
        ["ONE.example.com. 9 IN A 192.0.2.1"],
    ),
    ("hosts {\n 192.0.2.1 one.example.com\n}", "one.example.com", "AAAA", "NOERROR", []),
    ("hosts {\n 192.0.2.1 one.example.com\n}", "two.example.com", "A", "NXDOMAIN", []),
    (
        "hosts {\n 192.0.2.1 api.example.com\n fallthrough\n}\nforward . UPSTREAM",
        "api.example.com",
        "AAAA",
        "NOERROR",
        [],
    ),
    ("hosts {\n 192.0.2.1 one\n fallthrough\n}\nforward . UPSTREAM", "api.example.com", "A", "NOERROR", None),
    ("hosts {\n 192.0.2.1 one\n no_reverse\n}", "1.2.0.192.in-addr.arpa", "PTR", "NXDOMAIN", []),
    (
        "hosts /etc/coredns/own.hosts example.com",
        "nine.example.com",
        "AAAA",
        "NOERROR",
        ["nine.example.com. 3600 IN AAAA 2001:db8::9"],
    ),
    ("hosts /etc/hosts", "localhost", "A", "NXDOMAIN", []),
    (
        f"rewrite name a.example.org {WEB}\nkubernetes cluster.local",
        "a.example.org",
        "A",
        "NOERROR",
        ["a.example.org. 5 IN A 10.96.0.20"],
    ),
    (
        "rewrite name suffix .example.org .svc.cluster.local answer auto\nkubernetes cluster.local",
        "web.shop.example.org",
        "A",
        "NOERROR",
        ["web.shop.example.org. 5 IN A 10.96.0.20"],
    ),
    (
        "rewrite name prefix my- web.\nkubernetes cluster.local",
        "my-shop.svc.cluster.local",
        "A",
        "NOERROR",
        [f"{WEB}. 5 IN A 10.96.0.20"],
    ),
    (
        "rewrite name substring store shop\nkubernetes cluster.local",
        "web.store.svc.cluster.local",
        "A",
        "NOERROR",
        [f"{WEB}. 5 IN A 10.96.0.20"],
    ),
    (
        "rewrite stop {\n name regex (.*)\\.on\\.(.*)\\.here {1}.{2}.svc.cluster.local\n"
        " answer name (.*)\\.(.*)\\.svc\\.cluster\\.local {1}.on.{2}.here\n}\nkubernetes cluster.local",
        "web.on.shop.here",
        "A",
        "NOERROR",
        ["web.on.shop.here. 5 IN A 10.96.0.20"],
    ),
    (
        f"rewrite continue name exact a.b c.d\nrewrite name exact c.d {WEB}\nkubernetes cluster.local",
        "a.b",
        "A",
        "NOERROR",
        ["a.b. 5 IN A 10.96.0.20"],
    ),
    ("rewrite type AAAA A\nkubernetes cluster.local", WEB, "AAAA", "NOERROR", [f"{WEB}. 5 IN A 10.96.0.20"]),
    (
        'template IN A example.com {\n match "^ip-(?P<last>[0-9]+)\\.example\\.com\\.$"\n'
        ' answer "{{ .Name }} 60 IN A 192.0.2.{{ .Group.last }}"\n fallthrough\n}',
        "ip-42.example.com",
        "A",
        "NOERROR",
        ["ip-42.example.com. 60 IN A 192.0.2.42"],
    ),
    ("template ANY ANY blocked.org {\n rcode NXDOMAIN\n}", "x.blocked.org", "MX", "NXDOMAIN", []),
    ("log\nkubernetes cluster.local", WEB, "A", "NOERROR", [f"{WEB}. 5 IN A 10.96.0.20"]),
    (
        "kubernetes cluster.local\nforward . UPSTREAM",
        "pay.shop.svc.cluster.local",
        "A",
        "NOERROR",
        [
            "pay.shop.svc.cluster.local. 5 IN CNAME api.example.com.",
            "api.example.com. 60 IN CNAME edge.example.net.",
            "edge.example.net. 20 IN A 192.0.2.80",
        ],
    ),
    (
        "kubernetes cluster.local\nhosts {\n 192.0.2.5 api.example.com\n fallthrough\n}",
        "pay.shop.svc.cluster.local",
        "A",
        "NOERROR",
        ["pay.shop.svc.cluster.local. 5 IN CNAME api.example.com.", "api.example.com. 3600 IN A 192.0.2.5"],
    ),
    (
        f'template IN A short.test {{\n answer "{{{{ .Name }}}} 60 IN CNAME {WEB}."\n}}\nkubernetes cluster.local',
        "short.test",
        "A",
        "NOERROR",
        [f"short.test. 60 IN CNAME {WEB}.", f"{WEB}. 5 IN A 10.96.0.20"],
    ),
    (
        'template IN A a.test {\n answer "{{ .Name }} 60 IN CNAME b.test."\n}\n'
        'template IN A b.test {\n answer "{{ .Name }} 60 IN CNAME c.test."\n answer "c.test. 9 IN A 192.0.2.7"\n}',
        "a.test",
        "A",
        "NOERROR",
        ["a.test. 60 IN CNAME b.test.", "b.test. 60 IN CNAME c.test.", "c.test. 9 IN A 192.0.2.7"],
    ),
    (
        'template IN A round.test {\n answer "{{ .Name }} 60 IN CNAME round.test."\n}',
        "round.test",
        "A",
        "NOERROR",
        ["round.test. 60 IN CNAME round.test."],
    ),
    ("kubernetes cluster.local", "self.shop.svc.cluster.local", "A", "NOERROR", []),
    (
        "kubernetes cluster.local",
        "self.shop.svc.cluster.local",
        "CNAME",
        "NOERROR",
        ["self.shop.svc.cluster.local. 5 IN CNAME self.shop.svc.cluster.local."],
    ),
    ("kubernetes cluster.local", "loop-a.shop.svc.cluster.local", "A", "NOERROR", []),
    ("kubernetes cluster.local", "hop-1.shop.svc.cluster.local", "A", "NOERROR", []),
    (
        "kubernetes cluster.local",
        "hop-2.shop.svc.cluster.local",
        "A",
        "NOERROR",
        [*(f"hop-{n}.shop.svc.cluster.local. 5 IN CNAME {TO[n]}." for n in range(2, 10)), f"{WEB}. 5 IN A 10.96.0.20"],
    ),
    ("kubernetes cluster.local", "astray.shop.svc.cluster.local", "A", "NOERROR", []),
]


def table(wanted: Kubernetes, balanced: bool = True) -> Table:
    zone = Zone(wanted.domain, "disabled" if wanted.pods == "disabled" else "insecure")
    made = Table(zone, wanted.ttl, wanted.zones, balanced=balanced)
    aliases = (Record(f"{name}.shop.svc.cluster.local", "CNAME", f"{target}.") for name, target in ALIASES.items())
    for data in [*DATA, ZoneData(tuple(aliases)), ZoneData((Record(REVERSE, "PTR", f"{WEB}."),))]:
        made.change(None, data)
    return made


def ask(
    corefile: str, *questions: tuple[str, str], upstream: UpstreamServer | None = None, reconfigured: str = ""
) -> list[dns.message.Message]:
    """Answers of a server on loopback; `reconfigured` is put in use before the last question."""
    address = f"127.0.0.1:{upstream.address[1]}" if upstream else "127.0.0.1:1"

    def made(text: str) -> Callable[[], object]:
        program = Program(configuration(parse(text.replace("UPSTREAM", address)), FILES), table)
        chains = program.configuration.chains
        return lambda: server.configure(
            [route(chain, program.table(chain), Outside(), Metrics(), "dns://:53") for chain in chains]
        )

    server = Server()

    async def play() -> list[dns.message.Message]:
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind(("127.0.0.1", 0))
        udp.setblocking(False)
        made(corefile)()
        server.serve([udp])
        found = []
        for index, question in enumerate(questions):
            if reconfigured and index == len(questions) - 1:
                made(reconfigured)()
            query = dns.message.make_query(*question)
            found.append(await asyncio.to_thread(dns.query.udp, query, "127.0.0.1", 5, udp.getsockname()[1]))
        server.release([udp])
        await server.close()
        udp.close()
        return found

    return asyncio.run(play())


@pytest.mark.parametrize(("plugins", "name", "type_", "rcode", "answers"), CASES)
def test_answers(
    upstream_server: UpstreamServer, plugins: str, name: str, type_: str, rcode: str, answers: list[str] | None
) -> None:
    for response in ask(f".:53 {{\n{plugins}\n}}\n", (name, type_), (name, type_), upstream=upstream_server):
        assert dns.rcode.to_text(response.rcode()) == rcode
        found = [f"{rrset.name} {rrset.ttl} IN {line}" for rrset in response.answer for line in _data(rrset)]
        assert found == answers if answers is not None else found


def _data(rrset: dns.rrset.RRset) -> list[str]:
    return [f"{dns.rdatatype.to_text(rdata.rdtype)} {rdata}" for rdata in rrset]


def test_the_longest_zone_answers_and_no_zone_refuses() -> None:
    corefile = (
        "example.com {\n hosts {\n 192.0.2.1 a.example.com\n fallthrough\n}\n}\n"
        "b.example.com {\n hosts {\n 192.0.2.2 a.b.example.com\n}\n}\n"
    )
    questions = [("a.example.com", "A"), ("a.b.example.com", "A"), ("example.org", "A")]
    one, two, none = ask(corefile, *questions)
    assert [str(one.answer[0][0]), str(two.answer[0][0])] == ["192.0.2.1", "192.0.2.2"]
    assert none.rcode() == dns.rcode.REFUSED


def test_cache_remembers_no_longer_than_it_says(upstream_server: UpstreamServer) -> None:
    questions = [("api.example.com", "A")] * 3
    for cache, asked in (("", 3), ("cache 30", 1), ("cache {\n disable success\n}", 3)):
        upstream_server.asked.clear()
        ask(f". {{\n forward . UPSTREAM\n {cache}\n}}\n", *questions, upstream=upstream_server)
        assert len(upstream_server.asked) == asked, cache


def test_a_new_configuration_forgets_what_was_prepared() -> None:
    before = ". {\n kubernetes cluster.local\n}\n"
    after = f". {{\n hosts {{\n 192.0.2.1 {WEB}\n}}\n kubernetes cluster.local\n}}\n"
    old, same, new = ask(before, (WEB, "A"), (WEB, "A"), (WEB, "A"), reconfigured=after)
    assert str(old.answer[0][0]) == str(same.answer[0][0]) == "10.96.0.20"
    assert str(new.answer[0][0]) == "192.0.2.1"


@pytest.mark.parametrize(
    ("plugins", "said"),
    [
        ("kubernets cluster.local", "2: unknown plugin 'kubernets': did you mean 'kubernetes'?"),
        ("dnssec", "2: plugin 'dnssec' is not built in"),
        ("kubernetes {\n pods insecur\n}", "2: kubernetes needs a zone that is no reverse zone, like cluster.local"),
        ("kubernetes a.b {\n pods insecur\n}", "3: unknown mode of pods 'insecur': did you mean 'insecure'?"),
        ("kubernetes a.b {\n ttl 4000\n}", "3: ttl must be in range [0, 3600]"),
        (
            "kubernetes a.b {\n falthrough\n}",
            "3: unknown option of kubernetes 'falthrough': did you mean 'fallthrough'?",
        ),
        ("forward .", "2: forward takes a zone and the servers to ask, like 'forward . 192.0.2.53'"),
        (
            "forward . https://192.0.2.1",
            "2: forward: https:// is not spoken to servers upstream, only dns:// and tls://",
        ),
        (
            "forward . tls://dns.example",
            "2: 'tls://dns.example' is no DNS server: expected an address with an optional port",
        ),
        (
            "forward . tls://192.0.2.1 {\n tls a b\n}",
            "3: tls takes the file of an authority at most: certificates of clients are not presented",
        ),
        ("forward . 192.0.2.1 {\n policy rand\n}", "3: unknown policy 'rand': did you mean 'random'?"),
        ("forward . dns.example", "2: 'dns.example' is no DNS server: expected an address with an optional port"),
        ("hosts {\n 192.0.2 a\n}", "3: unknown option of hosts or address '192.0.2'"),
        ("rewrite nam a b", "2: unknown field of rewrite 'nam': did you mean 'name'?"),
        ("rewrite name regex ( b", "2: '(' is no regular expression: missing closing ): `(`"),
        ("template IN AX", "2: template: 'AX' is no type of records"),
        ("cache 30\ncache 40", "3: cache is there twice"),
        (
            "forward . tls://192.0.2.1 {\n tls /etc/hosts\n}",
            "3: tls: there is no file /etc/hosts in the ConfigMaps that are mounted",
        ),
    ],
)
def test_what_is_said_about_a_bad_one(plugins: str, said: str) -> None:
    zone = "in-addr.arpa" if plugins.startswith("kubernetes {") else "."
    with pytest.raises(CorefileError) as caught:
        configuration(parse(f"{zone} {{\n{plugins}\n}}\n"))
    assert str(caught.value) == f"Corefile:{said}"


def test_what_has_no_effect_is_said() -> None:
    text = ".:53 tls://.:853 {\n kubernetes cluster.local\n}\n"
    assert configuration(parse(text)).warnings == ("Corefile:1: tls://.:853 is not listened on, only dns is spoken",)


def test_a_file_of_the_host_is_not_read_and_said() -> None:
    said = "Corefile:2: hosts: there is no file /etc/hosts in the ConfigMaps that are mounted"
    assert configuration(parse(". {\n hosts /etc/hosts\n}\n")).warnings == (said,)


def test_names_of_some_namespaces_and_without_endpoints() -> None:
    graph = Graph()
    services, slices, namespaces = (Source(graph, name) for name in ("services", "slices", "namespaces"))
    for namespace in ("in", "out"):
        raw = {"kind": "Service", "metadata": {"name": "db", "namespace": namespace}, "spec": {"clusterIP": "None"}}
        service = Object({"apiVersion": "v1", **raw})
        services.set(service.key, service)
    endpoint_slice = Object(
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"name": "db-1", "namespace": "in", "labels": {"kubernetes.io/service-name": "db"}},
            "addressType": "IPv4",
            "endpoints": [{"addresses": ["10.244.1.2"], "targetRef": {"kind": "Pod", "name": "db-x1"}}],
        }
    )
    slices.set(endpoint_slice.key, endpoint_slice)

    def names(**options: object) -> set[str]:
        found, _ = cluster_names(services, slices, namespaces, **options)  # type: ignore[arg-type]
        return {record.name for data in found.values() for record in data.records if record.type == "A"}

    service = "db.in.svc.cluster.local"
    assert names() == {service, f"10-244-1-2.{service}"}
    assert names(pod_names=True) == {service, f"db-x1.{service}"}
    assert names(only=frozenset({"out"})) == set()
    assert names(endpoints=False) == set()
