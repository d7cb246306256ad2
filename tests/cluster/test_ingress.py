"""Ingresses of two classes on one proxy, by the documents and as ingress-nginx behaves."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path

import pytest

from sealane.testing.cluster import Cluster, eventually

MANIFESTS = """
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec: {containers: [{name: c, image: nginx, ports: [{containerPort: 80}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: plain}
spec:
  ingressClassName: sealane
  tls: [{hosts: [shop.example, late.example], secretName: shop}, {hosts: ["*.shop.example"], secretName: wild}]
  rules:
    - host: shop.example
      http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}
    - host: "*.shop.example"
      http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}
    - host: open.example
      http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: gone, port: {number: 80}}}}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: moved}
spec:
  ingressClassName: nginx
  tls: [{hosts: [moved.example, other.example], secretName: moved}]
  rules:
    - host: moved.example
      http: {paths: [{path: /in, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}
    - host: other.example
      http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: gone, port: {number: 80}}}}]}
    - host: tls.example
      http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {name: none}}}}]}
"""
DEFAULT = "Sealane Ingress Default Certificate"
pytestmark = pytest.mark.sealane(nodes=1)


def secret(folder: Path, name: str, *hosts: str) -> str:
    """A Secret with a certificate that signed itself; its common name is the Secret's name."""
    alternatives = ",".join(f"DNS:{host}" for host in hosts)
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", f"{folder}/key"]
    said = ["-subj", f"/CN={name}", "-addext", f"subjectAltName={alternatives}", "-out", f"{folder}/crt"]
    subprocess.run(["openssl", "req", "-x509", *key, *said], check=True, capture_output=True)
    data = {f"tls.{each}": base64.b64encode((folder / each).read_bytes()).decode() for each in ("crt", "key")}
    metadata = {"name": name, "namespace": "default"}
    return json.dumps(
        {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "kubernetes.io/tls", "data": data}
    )


@pytest.fixture(scope="module")
def address(sealane: Cluster, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("certificates")
    made = [
        secret(folder, "shop", "shop.example"),
        secret(folder, "wild", "*.shop.example"),
        secret(folder, "moved", "moved.example"),
    ]
    sealane.sealane("up", "-", "--ingress-class", "nginx", stdin="\n---\n".join([MANIFESTS, *made])).check()

    def found() -> str:
        status = sealane.get("ingress", "moved", "default")["status"]
        return str(status["loadBalancer"]["ingress"][0]["ip"])

    return eventually(found)


def ask(sealane: Cluster, address: str, url: str, *options: str) -> tuple[int, str]:
    """Status and Location."""
    words = ["curl", "-sko", "/dev/null", "-w", "%{http_code} %{redirect_url}", "-m", "10"]
    done = sealane.sealane("run", "--", *words, "--connect-to", f"::{address}:", *options, url).check()
    code, _, location = done.out.partition(" ")
    return int(code), location.strip()


def shown(sealane: Cluster, address: str, name: str) -> str:
    """The common name of the certificate that a client gets who asks for `name`."""
    asked = f"-servername {name}" if name else "-noservername"
    script = f"openssl s_client -connect {address}:443 {asked} </dev/null 2>/dev/null | openssl x509 -noout -subject"
    return sealane.sealane("run", "--", "sh", "-c", script).check().out.strip().partition("CN = ")[2]


@pytest.mark.parametrize(
    ("url", "answer"),
    [
        ("http://shop.example/", (200, "")),
        ("https://shop.example/", (200, "")),
        ("https://SHOP.example./", (200, "")),
        ("http://shop.example.:80/", (200, "")),
        ("https://a.shop.example/", (200, "")),
        ("https://a.b.shop.example/", (404, "")),
        ("http://open.example/", (500, "")),
        ("https://open.example/", (404, "")),
        ("http://moved.example/in?a=b", (308, "https://moved.example/in?a=b")),
        ("http://moved.example/none", (308, "https://moved.example/none")),
        ("https://moved.example/in", (200, "")),
        ("https://moved.example/none", (404, "")),
        ("http://other.example/", (308, "https://other.example/")),
        ("https://other.example/", (503, "")),
        ("https://tls.example/", (503, "")),
    ],
)
def test_answers(sealane: Cluster, address: str, url: str, answer: tuple[int, str]) -> None:
    def same() -> bool:
        assert ask(sealane, address, url) == answer
        return True

    eventually(same)


def test_a_connection_for_one_host_serves_the_others(sealane: Cluster, address: str) -> None:
    assert ask(sealane, address, "https://moved.example/in", "-H", "Host: shop.example") == (200, "")


@pytest.mark.parametrize(
    ("name", "certificate"),
    [
        ("shop.example", "shop"),
        ("a.shop.example", "wild"),
        ("moved.example", "moved"),
        ("other.example", DEFAULT),
        ("tls.example", DEFAULT),
        ("nobody.example", DEFAULT),
        ("", DEFAULT),
    ],
)
def test_certificates(sealane: Cluster, address: str, name: str, certificate: str) -> None:
    def same() -> bool:
        assert shown(sealane, address, name) == certificate
        return True

    eventually(same)


def test_what_comes_later_is_shown_and_the_address_stays(sealane: Cluster, address: str, tmp_path: Path) -> None:
    sealane.apply(secret(tmp_path, "shop", "shop.example", "renewed.example")).check()

    def names() -> bool:
        script = f"openssl s_client -connect {address}:443 -servername shop.example </dev/null 2>/dev/null"
        done = sealane.sealane("run", "--", "sh", "-c", f"{script} | openssl x509 -noout -ext subjectAltName")
        return "renewed.example" in done.check().out

    eventually(names)
    sealane.kubectl("delete", "ingress", "plain", "moved", "--wait").check()
    sealane.kubectl("delete", "secret", "shop").check()
    eventually(lambda: not sealane.get("deployments", "", "sealane-system")["items"])
    sealane.apply(MANIFESTS).check()

    def back() -> bool:
        entries = sealane.get("ingress", "plain", "default")["status"]["loadBalancer"]["ingress"]
        assert entries[0]["ip"] == address
        assert ask(sealane, address, "https://shop.example/") == (200, "")
        assert shown(sealane, address, "shop.example") == DEFAULT
        return True

    eventually(back)


def test_the_prediction_agrees(sealane: Cluster, address: str) -> None:
    for url, status in (("http://moved.example/in", "308"), ("https://other.example/", "503")):
        assert status in sealane.sealane("trace", "outside", url).out
    told = sealane.sealane("trace", "outside", "https://moved.example/in").out
    assert "takes server name moved.example" in told, told
