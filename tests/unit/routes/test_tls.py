"""Certificates of listeners: when Secrets are followed, and what a renewed one costs."""

from __future__ import annotations

import datetime
from base64 import b64encode
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)

from sealane.dataplane.envoy.resources import SECRET as SECRET_TYPE
from sealane.dataplane.envoy.resources import resources
from sealane.kube.kinds import GATEWAY, SECRET
from sealane.kube.objects import Object
from sealane.network.certificates.pairs import pair, pair_of
from sealane.network.provenance import Provenance
from sealane.network.routes.model.tls import Chain, chain_for
from sealane.network.routes.routing import routing
from sealane.network.routes.sources import Sources
from sealane.reactive.collections import Change
from sealane.reactive.objects import Objects

Key = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


def certificate(key: Key, *names: str) -> bytes:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "common.example")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime.datetime(2020, 1, 1))
        .not_valid_after(datetime.datetime(2120, 1, 1))
    )
    if names:
        made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName(each) for each in names]), critical=False)
    signed = made.sign(key, hashes.SHA256() if isinstance(key, ec.EllipticCurvePrivateKey) else None)
    return signed.public_bytes(Encoding.PEM)


def pem(key: Key, encryption: KeySerializationEncryption | None = None) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption())


@pytest.fixture(scope="module")
def key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def secret(chain: bytes, key: bytes) -> Object:
    data = {"tls.crt": b64encode(chain).decode(), "tls.key": b64encode(key).decode()}
    return Object(
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"namespace": "shop", "name": "tls"}, "data": data}
    )


def gateway(*listeners: dict[str, Any]) -> list[Object]:
    group = "gateway.networking.k8s.io/v1"
    of_class = {"controllerName": "sealane.dev/gateway-controller"}
    spec = {"gatewayClassName": "sealane", "listeners": list(listeners)}
    return [
        Object({"apiVersion": group, "kind": "GatewayClass", "metadata": {"name": "sealane"}, "spec": of_class}),
        Object(
            {"apiVersion": group, "kind": "Gateway", "metadata": {"namespace": "shop", "name": "web"}, "spec": spec}
        ),
    ]


HTTP = {"name": "http", "port": 80, "protocol": "HTTP"}
HTTPS = {"name": "https", "port": 443, "protocol": "HTTPS", "tls": {"certificateRefs": [{"name": "tls"}]}}


def test_secrets_are_followed_from_the_first_reference_on(key: ec.EllipticCurvePrivateKey) -> None:
    objects = Objects.of([*gateway(HTTP), secret(certificate(key), pem(key))])
    model = routing(Sources.of(objects))
    assert SECRET not in objects
    asking = gateway(HTTP, HTTPS)[1]
    objects[GATEWAY].set(asking.key, asking)
    assert SECRET in objects
    assert [port.port for port in model.ports] == [80, 443]


def test_a_renewed_secret_changes_one_resource_and_no_listener(key: ec.EllipticCurvePrivateKey) -> None:
    objects = Objects.of([*gateway(HTTP, HTTPS), secret(certificate(key, "a.example"), pem(key))])
    model = routing(Sources.of(objects))
    changed: list[Change[Any, Any]] = []
    model.listeners.subscribe(changed.extend, replay=False)
    for collection in (made := resources(model, str)).values():
        collection.subscribe(changed.extend, replay=False)
    new = secret(certificate(key, "b.example"), pem(key))
    objects[SECRET].set(new.key, new)
    assert [change.key for change in changed] == ["shop/tls"]
    assert list(made[SECRET_TYPE]) == ["shop/tls"]


def test_what_a_pair_says(key: ec.EllipticCurvePrivateKey) -> None:
    other, odd = ec.generate_private_key(ec.SECP256K1()), ed25519.Ed25519PrivateKey.generate()
    assert pair(certificate(key, "a.example", "*.b.example"), pem(key)).names == ("a.example", "*.b.example")
    assert pair(certificate(key), pem(key)).names == ("common.example",)
    assert "is encrypted" in pair(certificate(key), pem(key, BestAvailableEncryption(b"x"))).problem
    for strange in (other, odd):
        assert "P-256" in pair(certificate(strange), pem(strange)).problem
    assert "base64" in pair_of(Object({"kind": "Secret", "data": {"tls.crt": "%", "tls.key": "%"}})).problem
    assert "PRIVATE KEY" not in repr(pair(certificate(key), pem(key)))


@pytest.mark.parametrize(
    ("name", "hostname"),
    [
        ("a.example", "a.example"),
        ("A.Example", "a.example"),
        ("b.example", "*.example"),
        ("x.b.example", "*.b.example"),
        ("example", ""),
        ("", ""),
    ],
)
def test_the_listener_of_a_server_name(name: str, hostname: str) -> None:
    where = Provenance(gateway()[1].key)
    chains = [Chain(each, "", where, ()) for each in ("", "*.example", "a.example", "*.b.example")]
    chosen = chain_for(chains, name)
    assert chosen is not None
    assert chosen.hostname == hostname
    assert chain_for(chains[1:], "other.test") is None
