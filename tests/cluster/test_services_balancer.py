"""Load balancers that take connections themselves: TLS, PROXY headers, public names; and annotations without effect."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from services_rows import BOTH, NODE, OUTSIDE, Try
from services_tries import TRIES, check
from services_world import PODS, Lab, predict

from sealane.kube import kinds
from sealane.testing.cluster import Cluster, eventually

MANIFESTS = Path(__file__).with_name("services_table.yaml").read_text() + "\n---\n" + PODS
AWS = "service.beta.kubernetes.io/aws-load-balancer-"

pytestmark = pytest.mark.sealane(nodes=2)


@pytest.fixture(scope="module")
def lab(sealane: Cluster) -> Iterator[Lab]:
    sealane.kubectl("apply", "-f", "-", stdin=MANIFESTS).check()
    sealane.kubectl("wait", "pod", "--for=condition=Ready", "-l", "app!=waiting").check()
    lab = Lab(sealane)
    yield lab
    lab.close()


def balanced(name: str, annotations: dict[str, str], **spec: Any) -> dict[str, Any]:
    ports = [{"name": "tls", "port": 443, "targetPort": 8080}, {"name": "plain", "port": 80, "targetPort": 8080}]
    metadata = {"name": name, "namespace": "default", "annotations": annotations}
    return {"metadata": metadata, "spec": {"type": "LoadBalancer", "selector": {"app": "web"}, "ports": ports, **spec}}


def test_tls_at_the_load_balancer(lab: Lab, tmp_path: Path) -> None:
    """TLS ends at the load balancer with the Secret in the ARN's place, which may come later or change."""
    arn = "arn:aws:acm:us-west-2:123456789012:certificate/abcdefg"
    given = {f"{AWS}ssl-cert": arn, f"{AWS}ssl-ports": "443", f"{AWS}backend-protocol": "http"}
    lab.create(kinds.SERVICE, balanced("tls", given))
    entry = eventually(lambda: lab.ingress("tls"))
    assert entry["ipMode"] == "Proxy"

    def ask(where: str, port: int = 443, **more: Any) -> dict[str, Any]:
        return lab.ask(where, entry["ip"], port, tls=port == 443, timeout=5, **more)[0]

    said = eventually(lambda: found if (found := ask("outside"))["outcome"] == "answered" else None)
    assert said["tls"] in ("TLSv1.2", "TLSv1.3")
    fields = json.loads(said["text"])["headers"]
    assert (fields["X-Forwarded-For"], fields["X-Forwarded-Proto"], fields["X-Forwarded-Port"]) == (
        OUTSIDE,
        "https",
        "443",
    )
    assert {ask("outside")["who"] for _ in range(TRIES)} == BOTH
    assert ask("outside", 80)["outcome"] == "answered"
    eventually(lambda: any(each["reason"] == "CertificateMissing" for each in lab.events("tls")))
    for where in ("client-1", "host-1"):  # nodes leave the address to the load balancer
        said = ask(where)
        assert (said["outcome"], json.loads(said["text"])["headers"]["X-Forwarded-For"]) == ("answered", NODE["node-1"])
        predicted = predict(lab.model(), where, entry["ip"], 443)
        assert (predicted.outcomes, predicted.who) == (("answered",), BOTH)
        assert said["seen"] in predicted.seen

    key, certificate = tmp_path / "key", tmp_path / "crt"
    request = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    names = ["-subj", "/CN=shop.example.com", "-addext", "subjectAltName=DNS:shop.example.com"]
    subprocess.run(
        ["openssl", *request, *names, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True
    )
    lab.kubectl("create", "secret", "tls", "abcdefg", f"--cert={certificate}", f"--key={key}")
    eventually(lambda: ask("outside", host="shop.example.com", ca=str(certificate))["outcome"] == "answered")


def test_tls_on_both_families(lab: Lab) -> None:
    """A load balancer that takes connections itself has an address of each family, and goes on in the same one."""
    given = {"sealane.dev/load-balancer-tls-secret": "none-yet"}
    lab.create(kinds.SERVICE, balanced("tls-dual", given, ipFamilyPolicy="RequireDualStack"))
    entries = eventually(
        lambda: (
            found if len(found := lab.service("tls-dual")["status"]["loadBalancer"].get("ingress") or []) == 2 else None
        )
    )
    assert {entry["ipMode"] for entry in entries} == {"Proxy"}
    for entry in entries:
        for where in ("outside", "client-1", "client-2"):
            said = eventually(
                lambda where=where, entry=entry: (
                    found
                    if (found := lab.ask(where, entry["ip"], 443, tls=True, timeout=5)[0])["outcome"] == "answered"
                    else None
                )
            )
            assert (":" in said["seen"]) == (":" in entry["ip"])
            predicted = predict(lab.model(), where, entry["ip"], 443)
            assert (predicted.outcomes, predicted.who) == (("answered",), BOTH)
            assert said["seen"] in predicted.seen


def test_an_internal_one_is_not_reached_from_outside(lab: Lab) -> None:
    lab.create(kinds.SERVICE, balanced("inner", {f"{AWS}scheme": "internal", f"{AWS}backend-protocol": "http"}))
    assert eventually(lambda: lab.ingress("inner"))["ip"].startswith("172.18.254.")
    check(lab, "inner", Try("client-1", "balancer"))
    check(lab, "inner", Try("host-1", "balancer"))
    check(lab, "inner", Try("outside", "balancer", "refused"))


def test_proxy_protocol(lab: Lab) -> None:
    """The PROXY header comes before the first byte, and says who came: a raw listener shows it."""
    lab.create(kinds.SERVICE, balanced("proxied", {f"{AWS}proxy-protocol": "*"}, selector={"app": "raw"}))
    entry = eventually(lambda: lab.ingress("proxied"))
    said = eventually(
        lambda: (
            found if "PROXY" in str(found := lab.ask("outside", entry["ip"], 80, raw="hello", timeout=5)[0]) else None
        )
    )
    assert f"PROXY TCP4 {OUTSIDE} {entry['ip']} " in said["text"]
    assert said["text"].endswith("hello")


def test_a_balancer_of_its_own_follows_policies(lab: Lab) -> None:
    """externalTrafficPolicy Local and source ranges, where the load balancer takes connections itself."""
    given = {f"{AWS}backend-protocol": "http"}
    spec = {"selector": {"two": "2"}, "externalTrafficPolicy": "Local", "loadBalancerSourceRanges": ["172.18.0.0/24"]}
    lab.create(kinds.SERVICE, balanced("proxied-local", given, **spec))
    eventually(lambda: lab.ingress("proxied-local"))
    check(lab, "proxied-local", Try("outside", "balancer", frozenset({"web-2"}), seen=OUTSIDE))
    check(lab, "proxied-local", Try("client-1", "balancer", "refused"))
    lab.patch("proxied-local", {"metadata": {"annotations": {f"{AWS}backend-protocol": None}}})
    eventually(lambda: lab.ingress("proxied-local")["ipMode"] == "VIP")
    check(lab, "proxied-local", Try("outside", "balancer", frozenset({"web-2"}), seen=OUTSIDE))
    lab.delete(kinds.SERVICE, "proxied-local")


def test_annotations_without_effect_are_said(lab: Lab) -> None:
    lab.create(kinds.SERVICE, balanced("cloudy", {f"{AWS}type": "nlb", f"{AWS}healthcheck-path": "/health"}))
    event = eventually(lambda: [each for each in lab.events("cloudy") if each["reason"] == "AnnotationIgnored"])[0]
    assert f"{AWS}type (AWS: the kind of load balancer) has no meaning here" in event["message"]
    assert f"{AWS}healthcheck-path (AWS: how targets are checked) has no meaning here" in event["message"]


def test_names_of_load_balancers(lab: Lab) -> None:
    """The DNS label of Azure and the names of ExternalDNS, as the cluster's pods see them."""
    given = {
        "service.beta.kubernetes.io/azure-dns-label-name": "myapp",
        "external-dns.alpha.kubernetes.io/hostname": "www.example.com, shop.example.com.",
    }
    lab.create(kinds.SERVICE, balanced("named", given))
    address = eventually(lambda: lab.ingress("named"))["ip"]
    for name in ("myapp.cloudapp.azure.com", "www.example.com", "shop.example.com"):
        said = eventually(
            lambda name=name: (
                found
                if (found := lab.ask("client-1", name, 80, count=TRIES)) and found[0]["outcome"] == "answered"
                else None
            )
        )
        assert {each["address"] for each in said} == {address}
        assert {each["who"] for each in said} == BOTH
        predicted = predict(lab.model(), "client-1", name, 80)
        assert (predicted.outcomes, predicted.who) == (("answered",), BOTH)
    spec = {
        "type": "NodePort",
        "selector": {"app": "web"},
        "ports": [{"port": 80, "targetPort": 8080, "nodePort": 31000}],
    }
    metadata = {
        "name": "named-ports",
        "namespace": "default",
        "annotations": {"external-dns.alpha.kubernetes.io/hostname": "ports.example.com"},
    }
    lab.create(kinds.SERVICE, {"metadata": metadata, "spec": spec})
    said = eventually(
        lambda: (
            found if (found := lab.ask("client-1", "ports.example.com", 31000))[0]["outcome"] == "answered" else None
        )
    )
    assert set(said[0]["resolved"]) == set(NODE.values())
    assert predict(lab.model(), "client-1", "ports.example.com", 31000).who == BOTH
    lab.delete(kinds.SERVICE, "named")
    eventually(lambda: lab.ask("client-1", "www.example.com", 80)[0]["outcome"] == "unresolved")
