"""DNS as the pods of a running cluster see it: dig from inside, through the kube-dns Service."""

from __future__ import annotations

import shutil

import pytest

from sealane.testing.cluster import Cluster

pytestmark = [
    pytest.mark.sealane(nodes=2),
    pytest.mark.skipif(shutil.which("dig") is None, reason="needs dig"),
]

MANIFESTS = """
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, namespace: default}
spec:
  serviceName: db
  replicas: 2
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: db, image: example.com/db, ports: [{name: sql, containerPort: 5432}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: default}
spec: {clusterIP: None, selector: {app: db}, ports: [{name: sql, port: 5432}]}
---
apiVersion: v1
kind: Service
metadata: {name: front, namespace: default}
spec: {selector: {app: db}, ports: [{name: http, port: 80, targetPort: sql}]}
---
apiVersion: v1
kind: Service
metadata: {name: alias, namespace: default}
spec: {type: ExternalName, externalName: front.default.svc.cluster.local}
"""

LATE = """
apiVersion: v1
kind: Service
metadata: {name: late, namespace: default}
spec: {ports: [{port: 80}]}
"""


@pytest.fixture(scope="module")
def cluster(sealane: Cluster) -> Cluster:
    sealane.apply(MANIFESTS)
    return sealane


def dig(cluster: Cluster, *arguments: str) -> list[str]:
    return cluster.exec("db-0", "dig", "+short", *arguments).check().out.split("\n")[:-1]


def service_ip(cluster: Cluster, name: str) -> str:
    address: str = cluster.get("service", name, "default")["spec"]["clusterIP"]
    return address


def test_names_of_services(cluster: Cluster) -> None:
    address = service_ip(cluster, "front")
    for transport in ("+notcp", "+tcp"):
        assert dig(cluster, transport, "front.default.svc.cluster.local") == [address]
    assert dig(cluster, "+search", "front") == [address]
    assert dig(cluster, "-x", address) == ["front.default.svc.cluster.local."]
    assert dig(cluster, "alias.default.svc.cluster.local") == ["front.default.svc.cluster.local.", address]
    assert dig(cluster, "SRV", "_http._tcp.front.default.svc.cluster.local") == [
        "0 100 80 front.default.svc.cluster.local."
    ]


def test_names_of_stateful_pods(cluster: Cluster) -> None:
    pods = {
        pod["metadata"]["name"]: pod["status"]["podIP"] for pod in cluster.get("pods", namespace="default")["items"]
    }
    assert sorted(dig(cluster, "db.default.svc.cluster.local")) == sorted(pods.values())
    for name, address in pods.items():
        assert dig(cluster, f"{name}.db.default.svc.cluster.local") == [address]
        # Under each Service that it is an endpoint of, as CoreDNS answers it; only of the headless one by its hostname.
        assert sorted(dig(cluster, "-x", address)) == [
            f"{address.replace('.', '-')}.front.default.svc.cluster.local.",
            f"{name}.db.default.svc.cluster.local.",
        ]


def test_negative_answers(cluster: Cluster) -> None:
    missing = cluster.exec("db-0", "dig", "nothing.default.svc.cluster.local").check().out
    assert "status: NXDOMAIN" in missing
    no_data = cluster.exec("db-0", "dig", "MX", "front.default.svc.cluster.local").check().out
    assert "status: NOERROR" in no_data
    assert "ANSWER: 0, AUTHORITY: 1" in no_data


def test_without_upstream_other_names_are_refused(cluster: Cluster) -> None:
    assert "status: REFUSED" in cluster.exec("db-0", "dig", "+tries=1", "example.com").check().out


def test_a_new_service_has_its_name_at_once(cluster: Cluster) -> None:
    cluster.kubectl("apply", "-f", "-", stdin=LATE).check()
    assert dig(cluster, "late.default.svc.cluster.local") == [service_ip(cluster, "late")]
    cluster.kubectl("delete", "service", "late").check()
    assert dig(cluster, "late.default.svc.cluster.local") == []
