"""The Corefile in the `coredns` ConfigMap is what pods' questions are answered by, as it is now."""

from __future__ import annotations

import json
import shutil

import pytest

from sealane.testing.cluster import Cluster, eventually

pytestmark = [
    pytest.mark.sealane(nodes=1),
    pytest.mark.skipif(shutil.which("dig") is None, reason="needs dig"),
]

CLIENT = """
apiVersion: v1
kind: Pod
metadata: {name: client, namespace: default}
spec: {containers: [{name: client, image: example.com/client}]}
"""

COREFILE = """.:53 {
    errors
    rewrite name api.example.com kubernetes.default.svc.cluster.local
    hosts {
        192.0.2.7 seven.example.com
        fallthrough
    }
    kubernetes cluster.local in-addr.arpa ip6.arpa {
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
        ttl 17
    }
    forward . /etc/resolv.conf
    reload
}
"""


def configure(cluster: Cluster, corefile: str) -> None:
    patch = json.dumps({"data": {"Corefile": corefile}})
    cluster.kubectl("-n", "kube-system", "patch", "configmap", "coredns", "--type=merge", "-p", patch).check()


def dig(cluster: Cluster, *arguments: str) -> str:
    return cluster.exec("client", "dig", "+noall", "+answer", "+comments", *arguments).check().out


def test_pods_get_what_the_configmap_says(sealane: Cluster) -> None:
    sealane.apply(CLIENT)
    kubernetes = "kubernetes.default.svc.cluster.local"
    assert dig(sealane, kubernetes).split()[-4:] == ["30", "IN", "A", "10.96.0.1"]
    assert "status: REFUSED" in dig(sealane, "seven.example.com")

    configure(sealane, COREFILE)
    eventually(lambda: "192.0.2.7" in dig(sealane, "seven.example.com"))
    rewritten = dig(sealane, "api.example.com").split()
    assert rewritten[-5:] == ["api.example.com.", "17", "IN", "A", "10.96.0.1"]
    assert dig(sealane, kubernetes).split()[-4:] == ["17", "IN", "A", "10.96.0.1"]

    configure(sealane, COREFILE.replace("forward .", "forwad ."))
    said = "Corefile:13: unknown plugin 'forwad': did you mean 'forward'?"

    def told() -> bool:
        events = sealane.get("events", namespace="kube-system")["items"]
        return any(
            said in event["message"] and event["involvedObject"]["kind"] == "ConfigMap" and event["type"] == "Warning"
            for event in events
        )

    eventually(told)
    assert "192.0.2.7" in dig(sealane, "seven.example.com")
    assert "10.96.0.1" in dig(sealane, "api.example.com")

    configure(sealane, COREFILE.replace("192.0.2.7", "192.0.2.8"))
    eventually(lambda: "192.0.2.8" in dig(sealane, "seven.example.com"))


def test_pods_verified_knows_the_pods_that_are(sealane: Cluster) -> None:
    sealane.apply(CLIENT)
    address = sealane.get("pod", "client", "default")["status"]["podIP"]
    name = f"{address.replace('.', '-')}.default.pod.cluster.local"
    configure(sealane, COREFILE.replace("pods insecure", "pods verified"))
    other = "10-9-9-9.default.pod.cluster.local"
    eventually(lambda: "status: NXDOMAIN" in dig(sealane, other))
    eventually(lambda: address in dig(sealane, name).split())
    assert "status: NXDOMAIN" in dig(sealane, name.replace(".default.", ".kube-system."))
