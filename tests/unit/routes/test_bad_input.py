"""Bad input: each says so in the condition that the specification names, and other routes go on.

Certificates that are malformed or of another key are the case `tls-bad-certificates`.
"""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from sealane.kube.objects import Key, Object
from sealane.network.routes.evaluate import Request, evaluate
from sealane.network.routes.routing import Routing, routing_of

GROUP = "gateway.networking.k8s.io"
GATEWAY = Key(GROUP, "Gateway", "shop", "web")
HTTP = {"name": "http", "port": 80, "protocol": "HTTP"}
BACKEND = {"name": "s", "port": 80}


def made(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    metadata = {"namespace": "shop", "name": name}
    return {"apiVersion": f"{GROUP}/v1", "kind": kind, "metadata": metadata, "spec": spec}


def route(name: str, rule: dict[str, Any]) -> dict[str, Any]:
    return made("HTTPRoute", name, {"parentRefs": [{"name": "web"}], "hostnames": [f"{name}.test"], "rules": [rule]})


def model(rule: dict[str, Any], *listeners: dict[str, Any], also: list[dict[str, Any]] | None = None) -> Routing:
    """Route `bad` with this rule beside a good one, at a Gateway with these listeners beside a good one."""
    controller = {"controllerName": "sealane.dev/gateway-controller"}
    raws = [
        made("GatewayClass", "sealane", controller),
        made("Gateway", "web", {"gatewayClassName": "sealane", "listeners": [HTTP, *listeners]}),
        *(
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"namespace": each, "name": "s"},
                "spec": {"ports": [{"port": 80}]},
            }
            for each in ("shop", "other")
        ),
        route("bad", rule),
        route("good", {"backendRefs": [BACKEND]}),
        *(also or ()),
    ]
    del raws[0]["metadata"]["namespace"]
    return routing_of(Object(raw) for raw in raws)


def conditions(status: Any) -> dict[str, str]:
    """Reasons by type, with "!" before those of conditions that are not true."""
    return {each["type"]: ("" if each["status"] == "True" else "!") + each["reason"] for each in status["conditions"]}


def answer(found: Routing, host: str) -> int:
    """0: it goes to a backend."""
    return evaluate(found.hosts, Request(GATEWAY, 80, host)).status


@pytest.mark.parametrize(
    ("rule", "condition", "status"),
    [
        (
            {
                "filters": [
                    {"type": "ExtensionRef", "extensionRef": {"group": "example.com", "kind": "Magic", "name": "m"}}
                ],
                "backendRefs": [BACKEND],
            },
            ("ResolvedRefs", "!InvalidKind"),
            500,
        ),
        ({"backendRefs": [{"name": "gone", "port": 80}]}, ("ResolvedRefs", "!BackendNotFound"), 500),
        ({"backendRefs": [{"name": "s", "port": 81}]}, ("ResolvedRefs", "!BackendNotFound"), 500),
        ({"backendRefs": [{**BACKEND, "namespace": "other"}]}, ("ResolvedRefs", "!RefNotPermitted"), 500),
        ({"backendRefs": [{**BACKEND, "kind": "Bucket", "group": "x"}]}, ("ResolvedRefs", "!InvalidKind"), 500),
        (
            {
                "matches": [{"path": {"type": "RegularExpression", "value": "/a("}}],
                "backendRefs": [BACKEND],
            },
            ("Accepted", "!UnsupportedValue"),
            404,
        ),
        (
            {  # what a proxy could blow up on is none that it takes
                "matches": [{"path": {"type": "RegularExpression", "value": r"(/a+)+\1"}}],
                "backendRefs": [BACKEND],
            },
            ("Accepted", "!UnsupportedValue"),
            404,
        ),
    ],
)
def test_a_bad_rule_says_why_and_harms_nobody(rule: dict[str, Any], condition: tuple[str, str], status: int) -> None:
    found = model(rule)
    [parent] = found.statuses["HTTPRoute"].get(Key(GROUP, "HTTPRoute", "shop", "bad")).status["parents"]
    assert condition in conditions(parent).items()
    assert answer(found, "bad.test") == status
    assert answer(found, "good.test") == 0


def listeners(found: Routing) -> dict[str, dict[str, str]]:
    status = found.statuses["Gateway"].get(GATEWAY)
    assert status is not None
    return {each["name"]: conditions(each) for each in status.status["listeners"]}


def test_listeners_of_one_hostname_conflict_and_the_others_serve() -> None:
    twice = {"port": 81, "protocol": "HTTP", "hostname": "a.test"}
    found = model({"backendRefs": [BACKEND]}, {**twice, "name": "one"}, {**twice, "name": "other"})
    said = listeners(found)
    assert said["one"]["Conflicted"] == said["other"]["Conflicted"] == "HostnameConflict"
    assert said["one"]["Accepted"] == said["other"]["Accepted"] == "!HostnameConflict"
    assert said["http"]["Accepted"] == "Accepted"
    assert answer(found, "good.test") == 0


def test_an_expired_certificate_is_shown_and_a_missing_one_keeps_its_listener_shut() -> None:
    def secure(name: str) -> dict[str, Any]:
        return {"name": name, "port": 443, "protocol": "HTTPS", "hostname": f"{name}.test"} | {
            "tls": {"certificateRefs": [{"name": name}]}
        }

    found = model({"backendRefs": [BACKEND]}, secure("expired"), secure("missing"), also=[expired()])
    said = listeners(found)
    assert said["expired"]["ResolvedRefs"] == "ResolvedRefs"
    assert said["missing"]["ResolvedRefs"] == "!InvalidCertificateRef"
    assert said["missing"]["Programmed"] == "!Invalid"
    assert [each.listeners for each in found.ports.values() if each.key.port == 443] == [("expired",)]
    assert answer(found, "good.test") == 0


def expired() -> dict[str, Any]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "expired.test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=3))
        .not_valid_after(now - timedelta(days=2))
        .sign(key, hashes.SHA256())
    )
    data = {
        "tls.crt": certificate.public_bytes(Encoding.PEM),
        "tls.key": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    }
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"namespace": "shop", "name": "expired"},
        "data": {field: b64encode(each).decode() for field, each in data.items()},
    }
