"""Cloud annotations."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from sealane.dataplane.balancer.proxy import forwarded, proxy_header
from sealane.kube.objects import Object
from sealane.network.routes.ingress.nginx import table as nginx
from sealane.network.services.annotation_table import TABLE
from sealane.network.services.annotations import (
    annotated_ranges,
    as_markdown,
    public_names,
    unhonoured,
    wants_internal,
)
from sealane.network.services.listeners import Listener, listeners


def service(**annotations: str) -> Object:
    given = {f"service.beta.kubernetes.io/{name.replace('_', '-')}": value for name, value in annotations.items()}
    return Object({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "annotations": given}})


@pytest.mark.parametrize(
    ("of", "expected"),
    [
        (service(), False),
        (service(aws_load_balancer_scheme="internal"), True),
        (service(aws_load_balancer_scheme="internet-facing"), False),
        (service(aws_load_balancer_internal="true"), True),
        (service(azure_load_balancer_internal="true"), True),
        (service(azure_load_balancer_internal="false"), False),
    ],
)
def test_internal(of: Object, expected: bool) -> None:
    assert wants_internal(of) is expected


def test_each_annotation_without_effect_is_explained() -> None:
    assert unhonoured(service(aws_load_balancer_internal="true")) == ()
    found = unhonoured(
        service(azure_load_balancer_tcp_idle_timeout="9", aws_load_balancer_type="nlb", aws_load_balancer_moon="1")
    )
    assert len(found) == 3
    assert found[0] == "service.beta.kubernetes.io/aws-load-balancer-moon is not known"
    assert "aws-load-balancer-type (AWS: the kind of load balancer) has no meaning here" in found[1]
    assert "azure-load-balancer-tcp-idle-timeout (Azure: minutes until an idle connection ends) is not" in found[2]


def test_an_unknown_protocol_is_said() -> None:
    [found] = unhonoured(service(aws_load_balancer_backend_protocol="quic"))
    assert found.endswith("backend-protocol 'quic' is not known (expected tcp, ssl, http, https): tcp is spoken")
    assert unhonoured(service(aws_load_balancer_backend_protocol="SSL")) == ()


def test_source_ranges() -> None:
    found = annotated_ranges(service(azure_allowed_ip_ranges="192.0.2.0/24, moon", load_balancer_source_ranges="::/0"))
    assert found == ["::/0", "192.0.2.0/24"]


def test_public_names() -> None:
    given = {
        "service.beta.kubernetes.io/azure-dns-label-name": "myapp",
        "external-dns.alpha.kubernetes.io/hostname": "www.example.com.,Shop.example.com",
    }
    named = Object({"kind": "Service", "metadata": {"name": "web", "annotations": given}})
    assert public_names(named) == ("www.example.com", "shop.example.com", "myapp.cloudapp.azure.com")


ARN = "arn:aws:acm:us-west-2:123456789012:certificate/abcdefg"


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        ({}, ()),
        ({"aws_load_balancer_type": "nlb"}, ()),
        (
            {"aws_load_balancer_ssl_cert": ARN, "aws_load_balancer_ssl_ports": "tls"},
            (Listener(443, 30443, "abcdefg"), Listener(80, 30080)),
        ),
        (
            {"aws_load_balancer_ssl_cert": "shop-tls"},
            (Listener(443, 30443, "shop-tls"), Listener(80, 30080, "shop-tls")),
        ),
        (
            {"aws_load_balancer_backend_protocol": "https"},
            (Listener(443, 30443, "", "https"), Listener(80, 30080, "", "https")),
        ),
        (
            {"aws_load_balancer_proxy_protocol": "*"},
            (Listener(443, 30443, proxy=1), Listener(80, 30080, proxy=1)),
        ),
        (
            {"aws_load_balancer_proxy_protocol": "*", "aws_load_balancer_type": "nlb"},
            (Listener(443, 30443, proxy=2), Listener(80, 30080, proxy=2)),
        ),
        (
            {"aws_load_balancer_target_group_attributes": "a=b, proxy_protocol_v2.enabled=true"},
            (Listener(443, 30443, proxy=2), Listener(80, 30080, proxy=2)),
        ),
    ],
)
def test_listeners(annotations: dict[str, str], expected: tuple[Listener, ...]) -> None:
    ports = [
        {"name": "tls", "port": 443, "nodePort": 30443},
        {"name": "plain", "port": 80, "nodePort": 30080},
        {"name": "datagrams", "port": 53, "nodePort": 30053, "protocol": "UDP"},
    ]
    of = service(**annotations)
    assert listeners(Object({**of.raw, "spec": {"type": "LoadBalancer", "ports": ports}})) == expected
    assert listeners(Object({**of.raw, "spec": {"type": "NodePort", "ports": ports}})) == ()


def test_proxy_headers() -> None:
    four, six = ("192.0.2.1", 4711), ("2001:db8::1", 4711)
    assert proxy_header(0, four, ("192.0.2.9", 443)) == b""
    assert proxy_header(1, four, ("192.0.2.9", 443)) == b"PROXY TCP4 192.0.2.1 192.0.2.9 4711 443\r\n"
    assert proxy_header(1, six, ("2001:db8::9", 443)) == b"PROXY TCP6 2001:db8::1 2001:db8::9 4711 443\r\n"
    binary = bytes.fromhex("0d0a0d0a000d0a515549540a 21 11 000c c0000201 c0000209 1267 01bb")
    assert proxy_header(2, four, ("192.0.2.9", 443)) == binary
    assert proxy_header(2, six, ("2001:db8::9", 443))[12:16] == bytes.fromhex("21 21 0024")


def test_forwarded_fields() -> None:
    head = b"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 10.0.0.1\r\nConnection: keep-alive\r\n\r\n"
    assert forwarded(head, ("192.0.2.1", 1), 443, True) == (
        b"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 10.0.0.1, 192.0.2.1\r\nX-Forwarded-Proto: https\r\n"
        b"X-Forwarded-Port: 443\r\nConnection: close\r\n\r\n"
    )
    upgrade = b"GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    assert b"Connection: Upgrade\r\n" in forwarded(upgrade, ("192.0.2.1", 1), 80, False)


def test_every_annotation_of_the_documents_is_known() -> None:
    """What clouds are told in the documents this project follows, where they are at hand."""
    documents = Path(__file__).parents[4] / "shared/reference"
    if not documents.is_dir():
        documents = Path(__file__).parents[3] / "../shared/reference"
    if not documents.is_dir():
        pytest.skip("no documents here")
    prefix = (
        r"(?:service\.beta\.kubernetes\.io|cloud\.google\.com|networking\.gke\.io|external-dns\.alpha\.kubernetes\.io)"
    )
    found = {
        name
        for file in documents.glob("*.txt")
        for name in re.findall(rf"{prefix}/[a-z0-9-]*[a-z0-9]", file.read_text(errors="replace"))
    }
    assert found
    assert found - TABLE.keys() == set()


def test_the_document_is_the_table() -> None:
    document = Path(__file__).parents[3] / "docs/annotations.md"
    text = f"{as_markdown()}\n{nginx.as_markdown()}"
    if os.environ.get("UPDATE_GOLDEN"):
        document.write_text(text)
    assert document.read_text() == text
