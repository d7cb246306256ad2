"""Tokens of pods: asked for once, again in time, and the old one serves while the API is away."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sealane.dataplane.pods import tokens
from sealane.dataplane.pods.tokens import Tokens, due
from sealane.kube.objects import Object, Raw
from sealane.kube.times import timestamp

HOUR, DAY = 3600.0, 24 * 3600.0
CONTAINER: Raw = {"name": "c", "volumeMounts": [{"name": "t", "mountPath": "/t"}]}
SOURCES = [
    {"serviceAccountToken": {"path": "token", "expirationSeconds": 1000}},
    {"serviceAccountToken": {"path": "vault", "audience": "vault"}},
    {"configMap": {"name": "c"}},
]
POD = Object(
    {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p", "namespace": "shop", "uid": "u"},
        "spec": {
            "serviceAccountName": "cart",
            "volumes": [{"name": "t", "projected": {"sources": SOURCES}}, {"name": "o", "projected": {}}],
        },
    }
)


class Issuer:
    """Numbers the tokens that it gives out, at the time `now`."""

    def __init__(self) -> None:
        self.now = 1_000_000.0
        self.away = False
        self.asked: list[tuple[str, str, Raw]] = []

    async def account_token(self, namespace: str, name: str, spec: Raw) -> Raw:
        if self.away:
            raise ConnectionError("away")
        self.asked.append((namespace, name, spec))
        ends = timestamp(self.now + spec["expirationSeconds"])
        return {"token": f"token-{len(self.asked)}", "expirationTimestamp": ends}


@pytest.fixture
def issuer(monkeypatch: pytest.MonkeyPatch) -> Issuer:
    made = Issuer()
    monkeypatch.setattr(tokens.time, "time", lambda: made.now)
    return made


def held(store: Tokens) -> dict[Any, str]:
    return {want: token.text for want, token in asyncio.run(store.of(POD, CONTAINER)).items()}


def test_due_before_they_end_and_once_a_day() -> None:
    assert due(0, HOUR) == 0.8 * HOUR
    assert due(0, 365 * DAY) == DAY


def test_asked_as_the_pods_account_bound_to_the_pod_and_asked_again_in_time(issuer: Issuer) -> None:
    store = Tokens(issuer)  # type: ignore[arg-type]
    assert held(store) == {("", 1000): "token-1", ("vault", 3600): "token-2"}
    bound = {"kind": "Pod", "apiVersion": "v1", "name": "p", "uid": "u"}
    assert issuer.asked == [
        ("shop", "cart", {"expirationSeconds": 1000, "boundObjectRef": bound}),
        ("shop", "cart", {"expirationSeconds": 3600, "boundObjectRef": bound, "audiences": ["vault"]}),
    ]
    issuer.now += 799
    assert held(store)["", 1000] == "token-1"
    issuer.now += 1
    assert held(store) == {("", 1000): "token-3", ("vault", 3600): "token-2"}
    store.forget(["u"])
    assert held(store)["vault", 3600] == "token-5"


def test_the_old_one_serves_while_the_api_is_away(issuer: Issuer) -> None:
    store = Tokens(issuer)  # type: ignore[arg-type]
    held(store)
    issuer.away = True
    issuer.now += 900
    assert held(store)["", 1000] == "token-1"
    issuer.now += 100
    with pytest.raises(ConnectionError):
        held(store)


def test_a_container_without_the_mount_asks_for_none(issuer: Issuer) -> None:
    assert asyncio.run(Tokens(issuer).of(POD, {"name": "other"})) == {}  # type: ignore[arg-type]
    assert issuer.asked == []
