"""NodeLocal DNSCache: the DaemonSet of the Kubernetes documents, in full and as short as it is often quoted."""

from __future__ import annotations

import json
import shutil

import pytest

from sealane.testing.cluster import Cluster, eventually

pytestmark = [
    pytest.mark.sealane(nodes=2),
    pytest.mark.skipif(shutil.which("dig") is None, reason="needs dig"),
    pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl"),
]

CLIENTS = """
apiVersion: v1
kind: Pod
metadata: {name: one, namespace: default}
spec: {nodeName: node-1, containers: [{name: client, image: example.com/client}]}
---
apiVersion: v1
kind: Pod
metadata: {name: two, namespace: default}
spec: {nodeName: node-2, containers: [{name: client, image: example.com/client}]}
"""

# https://kubernetes.io/docs/tasks/administer-cluster/nodelocaldns/, its own placeholders replaced as it says.
FULL = """
apiVersion: v1
kind: ServiceAccount
metadata: {name: node-local-dns, namespace: kube-system}
---
apiVersion: v1
kind: Service
metadata: {name: kube-dns-upstream, namespace: kube-system, labels: {k8s-app: kube-dns}}
spec:
  selector: {k8s-app: kube-dns}
  ports:
  - {name: dns, port: 53, protocol: UDP, targetPort: 53}
  - {name: dns-tcp, port: 53, protocol: TCP, targetPort: 53}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: node-local-dns, namespace: kube-system}
data:
  Corefile: |
    cluster.local:53 {
        errors
        log
        cache {
            success 9984 30
            denial 9984 5
        }
        reload
        loop
        bind 169.254.20.10 10.96.0.10
        forward . __PILLAR__CLUSTER__DNS__ {
            force_tcp
        }
        prometheus :9253
        health 169.254.20.10:8080
    }
    .:53 {
        errors
        cache 30
        reload
        loop
        bind 169.254.20.10 10.96.0.10
        forward . __PILLAR__UPSTREAM__SERVERS__
        prometheus :9253
    }
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: node-local-dns, namespace: kube-system}
spec:
  selector: {matchLabels: {k8s-app: node-local-dns}}
  template:
    metadata: {labels: {k8s-app: node-local-dns}}
    spec:
      serviceAccountName: node-local-dns
      hostNetwork: true
      dnsPolicy: Default
      tolerations: [{operator: Exists}]
      containers:
      - name: node-cache
        image: registry.k8s.io/dns/k8s-dns-node-cache:1.26.4
        args: ["-localip", "169.254.20.10,10.96.0.10", "-conf", "/etc/Corefile", "-upstreamsvc", "kube-dns-upstream"]
        ports:
        - {containerPort: 53, name: dns, protocol: UDP}
        - {containerPort: 53, name: dns-tcp, protocol: TCP}
        - {containerPort: 9253, name: metrics, protocol: TCP}
        livenessProbe: {httpGet: {host: 169.254.20.10, path: /health, port: 8080}}
        volumeMounts:
        - {mountPath: /etc/coredns, name: config-volume}
        - {mountPath: /etc/kube-dns, name: kube-dns-config}
      volumes:
      - {name: kube-dns-config, configMap: {name: kube-dns, optional: true}}
      - {name: config-volume, configMap: {name: node-local-dns, items: [{key: Corefile, path: Corefile.base}]}}
"""

SHORT = """
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: node-local-dns, namespace: kube-system}
spec:
  selector: {matchLabels: {k8s-app: node-local-dns}}
  template:
    metadata: {labels: {k8s-app: node-local-dns}}
    spec:
      containers:
      - name: node-cache
        image: registry.k8s.io/dns/k8s-dns-node-cache:1.22.20
"""

NAME = "kubernetes.default.svc.cluster.local"
QUICK = ("+tries=1", "+time=3")


def caches(cluster: Cluster) -> dict[str, str]:
    """Names of the caches' pods by node."""
    pods = cluster.get("pods", namespace="kube-system")["items"]
    return {
        pod["spec"]["nodeName"]: pod["metadata"]["name"]
        for pod in pods
        if pod["metadata"].get("labels", {}).get("k8s-app") == "node-local-dns"
    }


def remove(cluster: Cluster) -> None:
    cluster.kubectl("-n", "kube-system", "delete", "daemonset", "node-local-dns").check()
    eventually(lambda: not caches(cluster))


def answers(cluster: Cluster, pod: str, *server: str) -> bool:
    return cluster.exec(pod, "dig", *QUICK, "+short", *server, NAME).out == "10.96.0.1\n"


def test_pods_ask_the_cache_of_their_node_without_knowing(sealane: Cluster) -> None:
    sealane.apply(CLIENTS)
    sealane.apply(FULL)
    assert sorted(caches(sealane)) == ["node-1", "node-2"]
    for pod in ("one", "two"):
        eventually(lambda pod=pod: answers(sealane, pod, "@169.254.20.10"))  # type: ignore[misc]
        for _ in range(3):
            assert answers(sealane, pod)
        assert answers(sealane, pod, "+tcp")
    addresses = {pod: sealane.get("pod", pod, "default")["status"]["podIP"] for pod in ("one", "two")}

    def said_to(node: str, address: str) -> bool:
        log = sealane.kubectl("-n", "kube-system", "logs", caches(sealane)[node]).check().out
        return f"[INFO] {address}:" in log and f'"A IN {NAME}. udp' in log

    for node, own, other in (("node-1", "one", "two"), ("node-2", "two", "one")):
        eventually(lambda node=node, own=own: said_to(node, addresses[own]))  # type: ignore[misc]
        assert not said_to(node, addresses[other])
    node = sealane.get("node", "node-1")["status"]["addresses"][0]["address"]
    found = sealane.exec("one", "curl", "-sS", "-m", "5", f"http://{node}:9253/metrics").check().out
    hits = [line for line in found.splitlines() if line.startswith("coredns_cache_hits_total")]
    assert any('server="dns://10.96.0.10:53"' in line and int(line.split()[-1]) >= 2 for line in hits), hits
    assert "OK" in sealane.exec("one", "curl", "-sS", "-m", "5", "http://169.254.20.10:8080/health").out
    foreign = sealane.exec("one", "dig", *QUICK, "example.org").out
    assert "status: REFUSED" in foreign

    # A new Service is answered, by way of the cache, as soon as the cache does not remember that there is none.
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "new", "namespace": "default"}}
    sealane.kubectl("apply", "-f", "-", stdin=json.dumps({**service, "spec": {"ports": [{"port": 80}]}})).check()
    address = sealane.get("service", "new", "default")["spec"]["clusterIP"]
    new = sealane.exec("one", "dig", *QUICK, "+short", "new.default.svc.cluster.local").out
    assert new == f"{address}\n"

    remove(sealane)
    assert answers(sealane, "one")
    assert "no servers could be reached" in sealane.exec("one", "dig", *QUICK, "@169.254.20.10", NAME).out


def test_as_short_as_it_is_quoted(sealane: Cluster) -> None:
    sealane.apply(CLIENTS)
    sealane.apply(SHORT)
    for pod in ("one", "two"):
        eventually(lambda pod=pod: answers(sealane, pod, "@169.254.20.10"))  # type: ignore[misc]
        assert answers(sealane, pod)
    remove(sealane)
