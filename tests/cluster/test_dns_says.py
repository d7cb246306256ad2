"""What CoreDNS says about itself: /health, /ready, /metrics and its log; other ports and addresses; a loop."""

from __future__ import annotations

import json
import re
import shutil

import pytest

from sealane.testing.cluster import Cluster, eventually

pytestmark = [
    pytest.mark.sealane(nodes=2),
    pytest.mark.skipif(shutil.which("dig") is None, reason="needs dig"),
    pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl"),
]

MANIFESTS = """
apiVersion: v1
kind: Pod
metadata: {name: client, namespace: default}
spec: {containers: [{name: client, image: example.com/client}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: own, namespace: default}
data:
  Corefile: |
    .:53 {
        bind eth0
        errors
        log
        kubernetes cluster.local
    }
    example.com:1053 {
        log . "{remote} asked {name} {type}: {rcode}" {
            class denial
        }
        import extra/*.part
        health :8888
    }
    (snippet) {
        hosts {
            192.0.2.{$LAST} two.example.com
        }
    }
---
apiVersion: v1
kind: ConfigMap
metadata: {name: extra, namespace: default}
data:
  a.part: |
    hosts {
        192.0.2.{$LAST} one.example.com
    }
---
apiVersion: v1
kind: ConfigMap
metadata: {name: loop, namespace: default}
data:
  Corefile: |
    .:53 {
        errors
        loop
        forward . 127.0.0.1
    }
---
apiVersion: v1
kind: Pod
metadata: {name: own, namespace: default}
spec:
  containers:
  - name: coredns
    image: coredns/coredns:1.14.0
    args: [-conf, /etc/coredns/Corefile]
    env: [{name: LAST, value: "7"}]
    volumeMounts: [{name: config, mountPath: /etc/coredns}, {name: extra, mountPath: /etc/coredns/extra}]
  volumes: [{name: config, configMap: {name: own}}, {name: extra, configMap: {name: extra}}]
---
apiVersion: v1
kind: Pod
metadata: {name: loop, namespace: default}
spec:
  containers:
  - name: coredns
    image: coredns/coredns:1.14.0
    args: [-conf, /etc/coredns/Corefile]
    volumeMounts: [{name: config, mountPath: /etc/coredns}]
  volumes: [{name: config, configMap: {name: loop}}]
"""


@pytest.fixture(scope="module")
def cluster(sealane: Cluster) -> Cluster:
    sealane.apply(MANIFESTS)
    return sealane


def ip(cluster: Cluster, pod: str) -> str:
    address: str = cluster.get("pod", pod, "default")["status"]["podIP"]
    return address


def dns_pods(cluster: Cluster) -> list[str]:
    pods = cluster.get("pods", namespace="kube-system")["items"]
    return [pod["status"]["podIP"] for pod in pods if pod["metadata"]["labels"].get("k8s-app") == "kube-dns"]


def curl(cluster: Cluster, url: str) -> str:
    return cluster.exec("client", "curl", "-sS", "-m", "5", "-w", " %{http_code}", url).check().out


def metrics(cluster: Cluster, address: str) -> dict[str, float]:
    text = curl(cluster, f"http://{address}:9153/metrics").removesuffix(" 200")
    lines = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in lines if name}


def total(found: dict[str, float], metric: str, **labels: str) -> float:
    wanted = [f'{label}="{value}"' for label, value in labels.items()]
    return sum(n for key, n in found.items() if key.startswith(metric) and all(one in key for one in wanted))


def test_health_and_readiness_of_each_replica(cluster: Cluster) -> None:
    pods = dns_pods(cluster)
    assert len(pods) == 2
    for pod in pods:
        assert curl(cluster, f"http://{pod}:8080/health") == "OK 200"
        assert curl(cluster, f"http://{pod}:8181/ready") == "OK 200"
        assert curl(cluster, f"http://{pod}:8080/nothing").endswith(" 404")


def test_metrics_count_what_each_replica_answered(cluster: Cluster) -> None:
    first, second = dns_pods(cluster)
    before, other = metrics(cluster, first), metrics(cluster, second)
    name = "kubernetes.default.svc.cluster.local"
    asked = f"for i in 1 2 3 4 5; do dig @{first} {name}; done; dig @{first} +tcp {name}; dig @{first} no.{name}; "
    cluster.exec("client", "sh", "-c", asked + f"dig @{first} example.org; dig @{first} +dnssec {name} AAAA").check()
    after = metrics(cluster, first)

    def grown(metric: str, **labels: str) -> float:
        return total(after, metric, **labels) - total(before, metric, **labels)

    assert grown("coredns_dns_requests_total", proto="udp", type="A", family="1", server="dns://:53", zone=".") == 7
    assert grown("coredns_dns_requests_total", proto="tcp", type="A") == 1
    assert grown("coredns_dns_requests_total", type="AAAA") == 1
    assert grown("coredns_dns_responses_total", rcode="NOERROR", plugin="kubernetes") == 7
    assert grown("coredns_dns_responses_total", rcode="NXDOMAIN") == 1
    assert grown("coredns_dns_responses_total", rcode="REFUSED") == 1
    assert grown("coredns_dns_do_requests_total") == 1
    assert grown("coredns_dns_request_duration_seconds_count") == 9
    assert grown("coredns_dns_request_size_bytes_count", proto="udp") == 8
    assert grown("coredns_dns_response_size_bytes_count", proto="udp") == 8
    assert grown("coredns_cache_requests_total") == 1
    assert grown("coredns_cache_misses_total") == 1
    assert total(metrics(cluster, second), "coredns_dns_requests_total") == total(other, "coredns_dns_requests_total")
    for one in ("errors", "health", "ready", "kubernetes", "prometheus", "forward", "cache", "loop", "reload"):
        assert total(after, "coredns_plugin_enabled", name=one, server="dns://:53", zone=".") == 1
    assert total(after, "coredns_build_info") == 1
    assert after["coredns_panics_total"] == 0
    assert total(after, "coredns_kubernetes_rest_client_requests_total", code="200", method="GET") >= 8
    assert total(after, "coredns_kubernetes_rest_client_request_duration_seconds_count", verb="GET") >= 4
    assert after["coredns_reload_failed_total"] == 0
    assert after["coredns_health_request_failures_total"] == 0
    assert after["coredns_health_request_duration_seconds_count"] >= 1
    assert after["process_resident_memory_bytes"] > 1_000_000


def test_metrics_by_the_service(cluster: Cluster) -> None:
    assert "coredns_build_info" in curl(cluster, "http://kube-dns.kube-system:9153/metrics")


def test_a_bad_corefile_is_counted_and_the_rest_keeps_working(cluster: Cluster) -> None:
    first = dns_pods(cluster)[0]
    good = cluster.get("configmap", "coredns", "kube-system")["data"]["Corefile"]
    for corefile, wanted in ((good.replace("cache 30", "cash 30"), 1), (good, 1)):
        patch = json.dumps({"data": {"Corefile": corefile}})
        cluster.kubectl("-n", "kube-system", "patch", "configmap", "coredns", "--type=merge", "-p", patch).check()
        eventually(lambda wanted=wanted: metrics(cluster, first)["coredns_reload_failed_total"] == wanted)  # type: ignore[misc]
        assert "10.96.0.1" in cluster.exec("client", "dig", "+short", "kubernetes.default.svc.cluster.local").out
    log = cluster.kubectl("-n", "kube-system", "logs", "-l", "k8s-app=kube-dns", "--tail=-1").check().out
    assert "unknown plugin 'cash': did you mean 'cache'?" in log
    assert "CoreDNS-1.14.0" in log


def test_ports_addresses_imports_variables_and_logs_of_a_corefile_of_ones_own(cluster: Cluster) -> None:
    own = ip(cluster, "own")
    other_port = ["dig", f"@{own}", "-p", "1053", "+tries=2", "+time=2"]
    assert cluster.exec("client", *other_port, "+short", "one.example.com").out == "192.0.2.7\n"
    assert "status: NXDOMAIN" in cluster.exec("client", *other_port, "two.example.com").out
    assert cluster.exec("client", *other_port, "+tcp", "+short", "one.example.com").out == "192.0.2.7\n"
    name = "kubernetes.default.svc.cluster.local"
    assert cluster.exec("client", "dig", f"@{own}", "+short", name).out == "10.96.0.1\n"
    # What is bound to an interface is not listened on elsewhere: the kernel refuses it.
    assert "refused" in cluster.exec("own", "dig", "@127.0.0.1", "+tries=1", "+time=2", name).out
    assert curl(cluster, f"http://{own}:8888/health") == "OK 200"

    def logged() -> bool:
        log = cluster.kubectl("logs", "own").check().out
        client = re.escape(ip(cluster, "client"))
        lines = log.splitlines()
        assert f"[INFO] {ip(cluster, 'client')} asked two.example.com. A: NXDOMAIN" in lines
        assert not any("one.example.com" in line for line in lines)
        common = rf'\[INFO\] {client}:\d+ - \d+ "A IN {name}\. udp \d+ false 1232" NOERROR qr,aa,rd,ra \d+ \d\.\d+s'
        return any(re.fullmatch(common, line) for line in lines)

    eventually(logged)


def test_a_loop_is_found_and_said(cluster: Cluster) -> None:
    def told() -> bool:
        events = cluster.get("events", namespace="default")["items"]
        return any(
            event["reason"] == "LoopDetected"
            and event["involvedObject"]["name"] == "loop"
            and 'Loop detected for zone "."' in event["message"]
            for event in events
        )

    eventually(told)
    assert "plugin/loop: Loop detected" in cluster.kubectl("logs", "loop").check().out
    found = cluster.exec("client", "dig", f"@{ip(cluster, 'loop')}", "+tries=1", "+time=5", "example.com").out
    assert "status: SERVFAIL" in found
