"""What pods have of names: dnsPolicy, dnsConfig, search path and ndots, hostAliases, hostname and subdomain.

https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/ and
https://kubernetes.io/docs/tasks/network/customize-hosts-file-for-pods/; each row is a real pod, seen from inside.
"""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from sealane.network.names import Resolver
from sealane.testing.cluster import Cluster

pytestmark = [
    pytest.mark.sealane(nodes=1),
    pytest.mark.skipif(shutil.which("dig") is None, reason="needs dig"),
]

HOST = Resolver.parse(Path("/etc/resolv.conf").read_text() if Path("/etc/resolv.conf").exists() else "")
CLUSTER = ("10.96.0.10", "fd00:10:96::a")
OWN = ("shop.svc.cluster.local", "svc.cluster.local", "cluster.local")
DOMAIN = "shop.svc.cluster.local"


def cluster_first(**changes: Any) -> Resolver:
    found = {"nameservers": CLUSTER, "searches": (*OWN, *HOST.searches), "options": ("ndots:5",), **changes}
    return Resolver(found["nameservers"][:3], found["searches"], found["options"])


@dataclass(frozen=True)
class Row:
    """A pod's spec, and what its programs see. says: program (one argument of sh -c) and what it prints."""

    name: str
    spec: dict[str, Any] = field(default_factory=dict)
    resolver: Resolver | None = None
    hosts: tuple[str, ...] = ()
    says: dict[str, str] = field(default_factory=dict)


ROWS = [
    Row("default", {}, cluster_first(), ("IP default",)),
    Row("cluster-first", {"dnsPolicy": "ClusterFirst"}, cluster_first()),
    Row("as-the-node", {"dnsPolicy": "Default"}, HOST),
    Row("host-network", {"hostNetwork": True}, HOST),
    Row("host-network-cluster", {"hostNetwork": True, "dnsPolicy": "ClusterFirstWithHostNet"}, cluster_first()),
    Row(
        "none",
        {
            "dnsPolicy": "None",
            "dnsConfig": {
                "nameservers": ["192.0.2.1"],
                "searches": ["ns1.svc.cluster-domain.example", "my.dns.search.suffix"],
                "options": [{"name": "ndots", "value": "2"}, {"name": "edns0"}],
            },
        },
        Resolver(("192.0.2.1",), ("ns1.svc.cluster-domain.example", "my.dns.search.suffix"), ("ndots:2", "edns0")),
    ),
    Row(
        "merged",
        {
            "dnsConfig": {
                "nameservers": ["192.0.2.1"],
                "searches": ["corp.example"],
                "options": [{"name": "ndots", "value": "1"}],
            }
        },
        Resolver((*CLUSTER, "192.0.2.1")[:3], (*OWN, *HOST.searches, "corp.example"), ("ndots:1",)),
    ),
    Row(
        "aliases",
        {
            "hostAliases": [
                {"ip": "192.0.2.7", "hostnames": ["foo.local", "bar.local"]},
                {"ip": "192.0.2.8", "hostnames": ["foo.remote"]},
            ]
        },
        None,
        ("192.0.2.7 foo.local bar.local", "192.0.2.8 foo.remote"),
        {"getent hosts bar.local": "192.0.2.7 foo.local bar.local"},
    ),
    Row(
        "named",
        {"hostname": "busybox-1"},
        None,
        ("IP busybox-1",),
        {"hostname": "busybox-1", "echo $HOSTNAME": "busybox-1"},
    ),
    Row(
        "below",
        {"hostname": "one", "subdomain": "sub"},
        None,
        (f"IP one.sub.{DOMAIN} one",),
        {
            "hostname": "one",
            "hostname -f": f"one.sub.{DOMAIN}",
            f"dig +short one.sub.{DOMAIN}": "IP",
            "dig +search +short one.sub": "IP",
        },
    ),
    Row(
        "only-below",
        {"subdomain": "sub"},
        None,
        (f"IP only-below.sub.{DOMAIN} only-below",),
        {"hostname": "only-below"},
    ),
    Row(
        "qualified",
        {"hostname": "two", "subdomain": "sub", "setHostnameAsFQDN": True},
        None,
        (f"IP two.sub.{DOMAIN} two",),
        {"hostname": f"two.sub.{DOMAIN}", "hostname -f": f"two.sub.{DOMAIN}", "uname -n": f"two.sub.{DOMAIN}"},
    ),
    Row("qualified-without", {"hostname": "three", "setHostnameAsFQDN": True}, None, (), {"hostname": "three"}),
    # What a search path costs and finds: dig's own queries, seen by the names it asks for.
    Row(
        "searches",
        {},
        None,
        (),
        {"dig +search +short web": "WEB", "dig +search +short web.shop": "WEB", f"dig +short web.{DOMAIN}.": "WEB"},
    ),
    Row(
        "as-it-is",
        {"dnsConfig": {"options": [{"name": "ndots", "value": "1"}]}},
        None,
        (),
        {"dig +search +short web": "WEB", f"dig +search +short web.{DOMAIN}": "WEB"},
    ),
    Row(
        "on-their-own",
        {"dnsPolicy": "None", "dnsConfig": {"nameservers": ["10.96.0.10"]}},
        None,
        (),
        {"dig +search +short web": ""},
    ),
]


def manifests() -> str:
    objects: list[dict[str, Any]] = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}},
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "sub", "namespace": "shop"},
            "spec": {"clusterIP": "None", "selector": {"below": "sub"}, "ports": [{"name": "foo", "port": 1234}]},
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "web", "namespace": "shop"},
            "spec": {"selector": {"below": "sub"}, "ports": [{"port": 80}]},
        },
    ]
    objects += [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": row.name, "namespace": "shop", "labels": {"below": row.spec.get("subdomain", "no")}},
            "spec": {"containers": [{"name": "main", "image": "example.com/client"}], **row.spec},
        }
        for row in ROWS
    ]
    return "\n---\n".join(map(json.dumps, objects))


@pytest.fixture(scope="module")
def cluster(sealane: Cluster) -> Cluster:
    sealane.apply(manifests())
    return sealane


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_what_a_pod_has_of_names(cluster: Cluster, row: Row) -> None:
    address = cluster.get("pod", row.name, "shop")["status"]["podIP"]
    web = cluster.get("service", "web", "shop")["spec"]["clusterIP"]
    commands = ["cat /etc/resolv.conf", "cat /etc/hosts", *row.says]
    out = cluster.exec(row.name, "sh", "-c", "; echo '#'; ".join(commands), namespace="shop").check().out
    resolv_conf, hosts, *said = (re.sub(r"[ \t]+", " ", part).strip() for part in out.split("#\n"))
    if row.resolver is not None:
        assert Resolver.parse(resolv_conf) == row.resolver
    for line in row.hosts:
        assert line.replace("IP", address) in hosts.splitlines()
    for (command, wanted), found in zip(row.says.items(), said, strict=True):
        assert found == wanted.replace("IP", address).replace("WEB", web), command


def test_a_name_too_long_for_the_kernel_is_said(cluster: Cluster) -> None:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "long", "namespace": "shop"},
        "spec": {
            "hostname": "h" * 40,
            "subdomain": "s" * 20,
            "setHostnameAsFQDN": True,
            "containers": [{"name": "main", "image": "example.com/client"}],
        },
    }
    cluster.kubectl("apply", "-f", "-", stdin=json.dumps(pod)).check()
    fqdn = f"{'h' * 40}.{'s' * 20}.{DOMAIN}"
    said = (
        f"Failed to construct FQDN from Pod hostname and cluster domain, FQDN {fqdn} is too long "
        f"(64 characters is the max, {len(fqdn)} characters requested)"
    )
    from sealane.testing.cluster import eventually

    eventually(lambda: said in json.dumps(cluster.get("events", namespace="shop")))
    assert cluster.get("pod", "long", "shop")["status"]["phase"] == "Pending"
    cluster.kubectl("-n", "shop", "delete", "pod", "long").check()
