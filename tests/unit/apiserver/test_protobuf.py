"""Protobuf bodies, as kubectl 1.37 sends them."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealane.apiserver.encodings.protobuf import decode
from sealane.kube import kinds
from sealane.kube.client.protocol import ApiError
from sealane.kube.kinds import Kind

DEPLOYMENT = (
    "azhzAAoVCgdhcHBzL3YxEgpEZXBsb3ltZW50Eq8BCh8KA2ZvbxIAGgAiACoAMgA4AEIAWgoKA2FwcBIDZm9vEn4IABIMCgoKA2FwcBIDZm9vGmQKHAoA"
    "EgAaACIAKgAyADgAQgBaCgoDYXBwEgNmb28SRBImCgF4EgF4KgAyCgoAEAAYUCIAKgBCAGoAcgCAAQCIAQCQAQCiAQAaADIAQgBKAFIAWABgAGgAggEA"
    "igEAmgEAwgEAIgIKACgAOAAaDAgAEAAYACAAKAA4ABoAIgA="
)
SERVICE = (
    "azhzAAoNCgJ2MRIHU2VydmljZRJuCiEKBGZvbzISABoAIgAqADIAOABCAFoLCgNhcHASBGZvbzISRQoeCgc4MC1odHRwEgNUQ1AYUCIKCAEQABoEaHR0"
    "cCgAEgsKA2FwcBIEZm9vMhoAIghOb2RlUG9ydDoAQgBSAFoAYABoABoCCgAaACIA"
)
SECRET = "azhzAAoMCgJ2MRIGU2VjcmV0Eh0KEQoBcxIAGgAiACoAMgA4AEIAEgYKAWESAWIaABoAIgA="


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            DEPLOYMENT,
            {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": {"name": "foo", "labels": {"app": "foo"}},
                "spec": {
                    "replicas": 0,  # a pointer: zero is meant
                    "selector": {"matchLabels": {"app": "foo"}},
                    "template": {
                        "metadata": {"labels": {"app": "foo"}},
                        "spec": {"containers": [{"name": "x", "image": "x", "ports": [{"containerPort": 80}]}]},
                    },
                },
            },
        ),
        (
            SERVICE,
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": "foo2", "labels": {"app": "foo2"}},
                "spec": {
                    "ports": [{"name": "80-http", "protocol": "TCP", "port": 80, "targetPort": "http"}],
                    "selector": {"app": "foo2"},
                    "type": "NodePort",
                },
            },
        ),
        (SECRET, {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"a": "Yg=="}}),
    ],
)
def test_what_kubectl_sends(body: str, expected: Any) -> None:
    assert decode(base64.b64decode(body)) == expected


@given(st.binary(max_size=200), st.integers(0, 300))
def test_rubbish_is_refused_and_nothing_else_happens(rubbish: bytes, cut: int) -> None:
    whole = base64.b64decode(DEPLOYMENT)
    for body in (rubbish, b"k8s\x00" + rubbish, whole[:cut] + rubbish):
        assert outcome(body) in (None, 400)


def outcome(body: bytes) -> int | None:
    try:
        decode(body)
    except ApiError as error:
        return error.code
    return None


def test_every_kind_that_has_a_protobuf_form_is_read() -> None:
    custom = {"gateway.networking.k8s.io", "apiextensions.k8s.io"}  # the API machinery has none for definitions' kinds
    for kind in kinds.BUILTIN:
        if kind.group not in custom:
            assert decode(empty(kind)) == {"apiVersion": kind.api_version, "kind": kind.kind}


def empty(kind: Kind) -> bytes:
    """runtime.Unknown with a TypeMeta and an object without fields."""

    def text(number: int, value: bytes) -> bytes:
        return bytes([number << 3 | 2, len(value)]) + value

    meta = text(1, kind.api_version.encode()) + text(2, kind.kind.encode())
    return b"k8s\x00" + text(1, meta) + text(2, b"")
