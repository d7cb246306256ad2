"""The Kubernetes DNS specification 1.1.0 as pods see it: one row for each thing it says, asked by dig from a pod.

https://github.com/kubernetes/dns/blob/master/docs/specification.md; numbers in names of rows are its sections. Servers
upstream are a CoreDNS pod of the cluster itself, with a Corefile of its own.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address

import pytest

from sealane.testing.cluster import Cluster, eventually

pytestmark = [
    pytest.mark.sealane(nodes=2),
    pytest.mark.skipif(shutil.which("dig") is None, reason="needs dig"),
]

BIG = "\n".join(f"  - {{addresses: [10.50.0.{host}]}}" for host in range(1, 81))
MANY = "\n".join(f"          192.0.2.{host} many.example.com" for host in range(1, 81))
MANIFESTS = f"""
apiVersion: apps/v1
kind: StatefulSet
metadata: {{name: db, namespace: default}}
spec:
  serviceName: db
  replicas: 2
  selector: {{matchLabels: {{app: db}}}}
  template:
    metadata: {{labels: {{app: db}}}}
    spec: {{containers: [{{name: db, image: example.com/db, ports: [{{name: sql, containerPort: 5432}}]}}]}}
---
apiVersion: v1
kind: Service
metadata: {{name: db, namespace: default}}
spec: {{clusterIP: None, selector: {{app: db}}, ports: [{{name: sql, port: 5432}}]}}
---
apiVersion: v1
kind: Service
metadata: {{name: front, namespace: default}}
spec:
  selector: {{app: db}}
  ipFamilyPolicy: PreferDualStack
  ports: [{{name: http, port: 80, targetPort: sql}}, {{name: quic, port: 443, protocol: UDP, targetPort: 443}}]
---
apiVersion: v1
kind: Service
metadata: {{name: lonely, namespace: default}}
spec: {{clusterIP: None, selector: {{app: nobody}}, ports: [{{name: http, port: 80}}]}}
---
apiVersion: v1
kind: Service
metadata: {{name: big, namespace: default}}
spec: {{clusterIP: None, ports: [{{name: http, port: 80}}]}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: big-1, namespace: default, labels: {{kubernetes.io/service-name: big}}}}
addressType: IPv4
ports: [{{name: http, port: 80, protocol: TCP}}]
endpoints:
{BIG}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: big-2, namespace: default, labels: {{kubernetes.io/service-name: big}}}}
addressType: IPv6
ports: [{{name: http, port: 80, protocol: TCP}}]
endpoints: [{{addresses: ["fd00:50::1"], hostname: named}}]
---
apiVersion: v1
kind: Service
metadata: {{name: inner, namespace: default}}
spec: {{type: ExternalName, externalName: front.default.svc.cluster.local}}
---
apiVersion: v1
kind: Service
metadata: {{name: outer, namespace: default}}
spec: {{type: ExternalName, externalName: www.example.com}}
---
apiVersion: v1
kind: Service
metadata: {{name: gone, namespace: default}}
spec: {{type: ExternalName, externalName: gone.example.com}}
---
apiVersion: v1
kind: Namespace
metadata: {{name: upstream}}
---
apiVersion: v1
kind: ConfigMap
metadata: {{name: upstream, namespace: upstream}}
data:
  Corefile: |
    example.com:53 {{
        errors
        template IN A www.example.com {{
          answer "{{{{ .Name }}}} 60 IN CNAME api.example.com."
          answer "api.example.com. 20 IN A 192.0.2.80"
        }}
        template ANY ANY gone.example.com {{
          rcode NXDOMAIN
          authority "example.com. 60 IN SOA ns.example.com. admin.example.com. 1 7200 1800 86400 15"
        }}
        hosts {{
          192.0.2.80 api.example.com
          192.0.2.81 fresh.example.com
{MANY}
        }}
        loadbalance
    }}
---
apiVersion: v1
kind: Pod
metadata: {{name: upstream, namespace: upstream, labels: {{app: upstream}}}}
spec:
  containers:
  - name: coredns
    image: registry.k8s.io/coredns/coredns:v1.14.0
    args: [-conf, /etc/coredns/Corefile]
    volumeMounts: [{{name: config, mountPath: /etc/coredns}}]
  volumes: [{{name: config, configMap: {{name: upstream}}}}]
---
apiVersion: v1
kind: Service
metadata: {{name: upstream, namespace: upstream}}
spec:
  selector: {{app: upstream}}
  ports: [{{name: dns, port: 53, protocol: UDP}}, {{name: dns-tcp, port: 53, protocol: TCP}}]
---
apiVersion: v1
kind: Pod
metadata: {{name: client, namespace: default}}
spec: {{containers: [{{name: client, image: example.com/client}}]}}
---
apiVersion: v1
kind: Pod
metadata: {{name: stranger, namespace: upstream}}
spec: {{containers: [{{name: client, image: example.com/client}}]}}
"""

COREFILE = """.:53 {
    errors
    health
    ready
    kubernetes cluster.local in-addr.arpa ip6.arpa {
        pods MODE
        fallthrough in-addr.arpa
        ttl 30
    }
    transfer {
        to CLIENT
    }
    prometheus :9153
    cache 30
    reload
    loadbalance
}
example.com:53 {
    errors
    cache 10
    forward . UPSTREAM
}
"""

DOMAIN = "svc.cluster.local"
SOA = ("cluster.local. 30 IN SOA ns.dns.cluster.local. hostmaster.cluster.local. SERIAL 7200 1800 86400 30",)


AUTOPATH = """.:53 {
    errors
    autopath @kubernetes
    kubernetes cluster.local in-addr.arpa ip6.arpa {
        pods MODE
    }
    forward . UPSTREAM
    reload
}
"""


@dataclass(frozen=True)
class Row:
    """What is asked, and what has to come back. authority: its records; None when they do not matter.

    flags: some that have to be there; without: some that must not. count: of answers, in place of the answers.
    """

    name: str
    dig: str
    answer: tuple[str, ...] = ()
    rcode: str = "NOERROR"
    flags: str = "qr aa rd ra"
    without: str = "tc"
    authority: tuple[str, ...] | None = None
    additional: tuple[str, ...] | None = None
    count: int | None = None
    says: str = ""


ROWS = [
    Row("2.2 version", "dns-version.cluster.local TXT", ('dns-version.cluster.local. 30 IN TXT "1.1.0"',)),
    Row(
        "2.3.1 A of a cluster IP", "front.default.svc.cluster.local A", (f"front.default.{DOMAIN}. 30 IN A {{front}}",)
    ),
    Row(
        "2.3.1 AAAA of a cluster IP",
        f"front.default.{DOMAIN} AAAA",
        (f"front.default.{DOMAIN}. 30 IN AAAA {{front6}}",),
    ),
    Row(
        "2.3.2 SRV of a TCP port",
        f"_http._tcp.front.default.{DOMAIN} SRV",
        (f"_http._tcp.front.default.{DOMAIN}. 30 IN SRV 0 100 80 front.default.{DOMAIN}.",),
        additional=(f"front.default.{DOMAIN}. 30 IN A {{front}}", f"front.default.{DOMAIN}. 30 IN AAAA {{front6}}"),
    ),
    Row(
        "2.3.2 SRV of a UDP port",
        f"_quic._udp.front.default.{DOMAIN} SRV",
        (f"_quic._udp.front.default.{DOMAIN}. 30 IN SRV 0 100 443 front.default.{DOMAIN}.",),
    ),
    Row(
        "2.3.2 no SRV of the other protocol", f"_http._udp.front.default.{DOMAIN} SRV", rcode="NXDOMAIN", authority=SOA
    ),
    Row("2.3.3 PTR of a cluster IP", "-x {front}", (f"{{front_reverse}}. 30 IN PTR front.default.{DOMAIN}.",)),
    Row("2.3.3 PTR of an IPv6 cluster IP", "-x {front6}", (f"{{front6_reverse}}. 30 IN PTR front.default.{DOMAIN}.",)),
    Row(
        "2.4.1 A of a headless Service",
        f"db.default.{DOMAIN} A",
        (f"db.default.{DOMAIN}. 30 IN A {{db0}}", f"db.default.{DOMAIN}. 30 IN A {{db1}}"),
    ),
    Row("2.4.1 A of a hostname", f"db-1.db.default.{DOMAIN} A", (f"db-1.db.default.{DOMAIN}. 30 IN A {{db1}}",)),
    Row(
        "2.4.1 AAAA of a hostname",
        f"named.big.default.{DOMAIN} AAAA",
        (f"named.big.default.{DOMAIN}. 30 IN AAAA fd00:50::1",),
    ),
    Row(
        "2.4.1 an endpoint without a hostname",
        f"10-50-0-7.big.default.{DOMAIN} A",
        (f"10-50-0-7.big.default.{DOMAIN}. 30 IN A 10.50.0.7",),
    ),
    Row("2.4.1 no ready endpoint, no name", f"lonely.default.{DOMAIN} A", rcode="NXDOMAIN", authority=SOA),
    Row(
        "2.4.2 SRV of a headless Service",
        f"_sql._tcp.db.default.{DOMAIN} SRV",
        tuple(f"_sql._tcp.db.default.{DOMAIN}. 30 IN SRV 0 50 5432 db-{host}.db.default.{DOMAIN}." for host in (0, 1)),
        additional=tuple(f"db-{host}.db.default.{DOMAIN}. 30 IN A {{db{host}}}" for host in (0, 1)),
    ),
    Row(
        "2.4.3 PTR of an endpoint",
        "-x {db0}",
        (
            f"{{db0_reverse}}. 30 IN PTR {{db0_dashed}}.front.default.{DOMAIN}.",
            f"{{db0_reverse}}. 30 IN PTR db-0.db.default.{DOMAIN}.",
        ),
    ),
    Row("2.4.3 PTR of an IPv6 endpoint", "-x fd00:50::1", count=1, says=f"PTR named.big.default.{DOMAIN}."),
    Row(
        "2.5 an external name that is a Service",
        f"inner.default.{DOMAIN} A",
        (f"inner.default.{DOMAIN}. 30 IN CNAME front.default.{DOMAIN}.", f"front.default.{DOMAIN}. 30 IN A {{front}}"),
    ),
    Row(
        "2.5 an external name, followed through the server upstream",
        f"outer.default.{DOMAIN} A",
        (
            f"outer.default.{DOMAIN}. 30 IN CNAME www.example.com.",
            "www.example.com. 10 IN CNAME api.example.com.",
            "api.example.com. 10 IN A 192.0.2.80",
        ),
    ),
    Row(
        "2.5 the alias itself",
        f"outer.default.{DOMAIN} CNAME",
        (f"outer.default.{DOMAIN}. 30 IN CNAME www.example.com.",),
    ),
    Row(
        "2.5 an external name that does not exist",
        f"gone.default.{DOMAIN} A",
        (f"gone.default.{DOMAIN}. 30 IN CNAME gone.example.com.",),
        rcode="NXDOMAIN",
    ),
    Row("a name upstream", "fresh.example.com A", ("fresh.example.com. 10 IN A 192.0.2.81",), flags="qr rd ra"),
    Row("no such Service", f"nothing.default.{DOMAIN} A", rcode="NXDOMAIN", authority=SOA),
    Row("no such namespace", f"front.nowhere.{DOMAIN} A", rcode="NXDOMAIN", authority=SOA),
    Row("a name without such records", f"front.default.{DOMAIN} MX", authority=SOA),
    Row("a name without records that others are under", f"default.{DOMAIN} A", authority=SOA),
    Row("a wildcard is no name", f"*.default.{DOMAIN} A", rcode="NXDOMAIN", authority=SOA),
    Row("the zone's SOA", "cluster.local SOA", SOA),
    Row("the zone's name server", "cluster.local NS", ("cluster.local. 30 IN NS ns.dns.cluster.local.",)),
    Row("the name server's address", "ns.dns.cluster.local A", ("ns.dns.cluster.local. 30 IN A 10.96.0.10",)),
    Row(
        "a reverse name that nobody has, in a zone that does not fall through",
        "-x fd00:ffff::1",
        rcode="NXDOMAIN",
        authority=("ip6.arpa. 30 IN SOA ns.dns.ip6.arpa. hostmaster.ip6.arpa. SERIAL 7200 1800 86400 30",),
    ),
    Row("a reverse zone's SOA", "ip6.arpa SOA", count=1, says="ns.dns.ip6.arpa. hostmaster.ip6.arpa."),
    Row("a name of others without a server upstream", "example.org A", rcode="REFUSED", flags="qr rd ra", without="aa"),
    Row(
        "the case of the question is kept",
        f"FrOnT.dEfAuLt.{DOMAIN} A",
        (f"FrOnT.dEfAuLt.{DOMAIN}. 30 IN A {{front}}",),
        says=f";FrOnT.dEfAuLt.{DOMAIN}. IN A",
    ),
    Row(
        "EDNS is answered with EDNS",
        f"+edns=0 front.default.{DOMAIN} A",
        count=1,
        says="EDNS: version: 0, flags:; udp: 1232",
    ),
    Row("DO is kept", f"+dnssec front.default.{DOMAIN} A", count=1, says="EDNS: version: 0, flags: do; udp: 1232"),
    Row(
        "a version of EDNS to come",
        f"+edns=1 +noednsneg front.default.{DOMAIN} A",
        rcode="BADVERS",
        flags="qr",
        count=0,
    ),
    Row("truncated without EDNS", f"+noedns +ignore big.default.{DOMAIN} A", flags="qr aa tc", without="", count=-80),
    Row("whole with room", f"+bufsize=4096 +ignore big.default.{DOMAIN} A", count=80),
    Row("truncated, then asked by TCP", f"+noedns big.default.{DOMAIN} A", count=80),
    Row(
        "asked by IPv6",
        f"@fd00:10:96::a front.default.{DOMAIN} A",
        (f"front.default.{DOMAIN}. 30 IN A {{front}}",),
        says="SERVER: fd00:10:96::a#53",
    ),
    Row("asked by TCP", f"+tcp big.default.{DOMAIN} A", count=80),
    Row("truncated from upstream", "+noedns +ignore many.example.com A", flags="qr tc", without="", count=0),
    Row("whole from upstream by TCP", "+tcp many.example.com A", flags="qr", count=80),
    Row("ANY", f"front.default.{DOMAIN} ANY", count=4, says="IN A {front}"),
    Row("another class", f"-c CH front.default.{DOMAIN} A", rcode="REFUSED", flags="qr", without="aa"),
]
POD = "{client_dashed}.default.pod.cluster.local"
PODS = {
    "insecure": [
        Row("a pod", f"{POD} A", (f"{POD}. 30 IN A {{client}}",)),
        Row(
            "any address",
            "10-9-9-9.default.pod.cluster.local A",
            ("10-9-9-9.default.pod.cluster.local. 30 IN A 10.9.9.9",),
        ),
        Row(
            "any IPv6 address",
            "fd00--9.default.pod.cluster.local AAAA",
            ("fd00--9.default.pod.cluster.local. 30 IN AAAA fd00::9",),
        ),
        Row("no address", "x.default.pod.cluster.local A", rcode="NXDOMAIN", authority=SOA),
        Row("no such namespace", "10-9-9-9.nowhere.pod.cluster.local A", rcode="NXDOMAIN", authority=SOA),
        Row("another family", f"{POD} AAAA", authority=SOA),
    ],
    "verified": [
        Row("a pod", f"{POD} A", (f"{POD}. 30 IN A {{client}}",)),
        Row("an address without a pod", "10-9-9-9.default.pod.cluster.local A", rcode="NXDOMAIN", authority=SOA),
        Row(
            "a pod of another namespace",
            "{client_dashed}.upstream.pod.cluster.local A",
            rcode="NXDOMAIN",
            authority=SOA,
        ),
    ],
    "disabled": [Row("a pod", f"{POD} A", rcode="NXDOMAIN", authority=SOA)],
}


@dataclass(frozen=True)
class Answer:
    rcode: str
    flags: tuple[str, ...]
    answer: tuple[str, ...]
    authority: tuple[str, ...]
    additional: tuple[str, ...]
    text: str


def parse(text: str) -> Answer:
    """dig's whole output. Records with single spaces; the SOA's serial number reads SERIAL."""
    sections: dict[str, list[str]] = {"ANSWER": [], "AUTHORITY": [], "ADDITIONAL": []}
    current: list[str] | None = None
    for line in text.splitlines():
        if found := re.match(r";; (\w+) SECTION:", line):
            current = sections.get(found[1])
        elif line and not line.startswith(";") and current is not None:
            current.append(re.sub(r"(SOA \S+ \S+) \d+", r"\1 SERIAL", " ".join(line.split())))
        elif not line:
            current = None
    rcode = re.search(r"status: (\w+)", text)
    flags = re.search(r"flags: ([\w ]*);", text)
    assert rcode, text
    assert flags, text
    return Answer(rcode[1], tuple(flags[1].split()), *(tuple(held) for held in sections.values()), text)


@dataclass(frozen=True)
class Lab:
    cluster: Cluster
    values: Mapping[str, str]

    def configure(self, mode: str, corefile: str = COREFILE) -> None:
        corefile = corefile.replace("MODE", mode)
        for name, key in (("CLIENT", "client"), ("UPSTREAM", "upstream")):
            corefile = corefile.replace(name, self.values[key])
        raw = self.cluster.get("configmap", "coredns", "kube-system")
        raw["data"] = {"Corefile": corefile}
        self.cluster.kubectl("replace", "-f", "-", stdin=json.dumps(raw)).check()

    def dig(self, *rows: Row, pod: str = "client", namespace: str = "default") -> dict[str, Answer]:
        """All of them in one visit to a pod."""
        commands = [
            f"dig +tries=2 +time=3 +nocookie {' '.join(map(shlex.quote, self.filled(row.dig).split()))}; echo '#'"
            for row in rows
        ]
        out = self.cluster.exec(pod, "sh", "-c", "; ".join(commands), namespace=namespace, seconds=120).out
        answers = out.split("#\n")
        return {row.name: parse(text) for row, text in zip(rows, answers, strict=False)}

    def filled(self, text: str) -> str:
        return re.sub(r"\{(\w+)\}", lambda match: self.values[match[1]], text)


@pytest.fixture(scope="module")
def lab(sealane: Cluster) -> Lab:
    sealane.apply(MANIFESTS)
    front = sealane.get("service", "front", "default")["spec"]["clusterIPs"]
    values = {"front": front[0], "front6": front[1]}
    for name, (namespace, pod) in {
        "db0": ("default", "db-0"),
        "db1": ("default", "db-1"),
        "client": ("default", "client"),
    }.items():
        values[name] = sealane.get("pod", pod, namespace)["status"]["podIP"]
    values["upstream"] = sealane.get("service", "upstream", "upstream")["spec"]["clusterIP"]
    for name in list(values):
        values[f"{name}_reverse"] = ip_address(values[name]).reverse_pointer
        values[f"{name}_dashed"] = values[name].replace(".", "-").replace(":", "-")
    made = Lab(sealane, values)
    made.configure("insecure")
    ready = Row("ready", "+short api.example.com A")
    eventually(lambda: "192.0.2.80" in sealane.exec("client", *f"dig +short {ready.dig}".split()).out)
    return made


@pytest.fixture(scope="module")
def answers(lab: Lab) -> dict[str, Answer]:
    return lab.dig(*ROWS)


def check(lab: Lab, row: Row, found: Answer) -> None:
    assert found.rcode == row.rcode, found.text
    assert set(row.flags.split()) <= set(found.flags), found.text
    assert set(row.without.split()).isdisjoint(found.flags), found.text
    if row.count is not None and row.count >= 0:
        assert len(found.answer) == row.count, found.text
    elif row.count is not None:
        assert 0 < len(found.answer) < -row.count, found.text
    else:
        assert sorted(found.answer) == sorted(map(lab.filled, row.answer)), found.text
    for wanted, records in ((row.authority, found.authority), (row.additional, found.additional)):
        if wanted is not None:
            assert sorted(records) == sorted(map(lab.filled, wanted)), found.text
    assert lab.filled(row.says) in " ".join(found.text.split())


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_what_dig_sees(lab: Lab, answers: dict[str, Answer], row: Row) -> None:
    check(lab, row, answers[row.name])


@pytest.mark.parametrize("mode", PODS)
def test_names_of_pods(lab: Lab, mode: str) -> None:
    lab.configure(mode)
    rows = PODS[mode]

    def asked() -> bool:
        found = lab.dig(*rows)
        for row in rows:
            check(lab, row, found[row.name])
        return True

    eventually(asked)


def test_a_transfer_is_for_those_who_are_allowed(lab: Lab) -> None:
    def transferred() -> list[str]:
        out = lab.cluster.exec("client", "dig", "+noall", "+answer", "cluster.local", "AXFR").check().out
        return [" ".join(line.split()) for line in out.splitlines()]

    records = eventually(transferred)
    assert records[0] == records[-1]
    assert records[0].startswith("cluster.local. 30 IN SOA ns.dns.cluster.local.")
    for record in (
        f"front.default.{DOMAIN}. 30 IN A {{front}}",
        f"_http._tcp.front.default.{DOMAIN}. 30 IN SRV 0 100 80 front.default.{DOMAIN}.",
        f"db-0.db.default.{DOMAIN}. 30 IN A {{db0}}",
        f"outer.default.{DOMAIN}. 30 IN CNAME www.example.com.",
        f"kubernetes.default.{DOMAIN}. 30 IN A 10.96.0.1",
    ):
        assert lab.filled(record) in records
    assert sum(record.startswith(f"big.default.{DOMAIN}. 30 IN A ") for record in records) == 80
    serial = records[0].split()[6]
    newer = (
        lab.cluster.exec("client", "dig", "+tcp", "+noall", "+answer", "cluster.local", f"IXFR={serial}").check().out
    )
    assert len(newer.splitlines()) == 1  # Nothing has changed since.
    refused = lab.cluster.exec("stranger", "dig", "cluster.local", "AXFR", namespace="upstream").out
    assert "Transfer failed" in refused
    by_udp = lab.cluster.exec("client", "dig", "+notcp", "cluster.local", f"IXFR={serial}").out
    assert "SOA" not in by_udp


def test_the_server_walks_the_search_path_of_the_pod_that_asks(lab: Lab) -> None:
    lab.configure("verified", AUTOPATH)
    name = "api.example.com.default.svc.cluster.local"
    row = Row("autopath", name)

    def walked() -> bool:
        records = lab.dig(row)["autopath"].answer
        return [record.split()[3:] for record in records] == [["CNAME", "api.example.com."], ["A", "192.0.2.80"]]

    eventually(walked)
    # Not for a pod of another namespace, whose search path does not begin so.
    stranger = lab.dig(row, pod="stranger", namespace="upstream")["autopath"]
    assert stranger.rcode == "NXDOMAIN"
