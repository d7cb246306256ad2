"""Protobuf answers: what they say is what the JSON says, read back by the decoder of bodies."""

from __future__ import annotations

import copy
import struct
from typing import Any

import pytest
from tests.unit.apiserver.asking import PATH, Asker, configmap, run
from tests.unit.apiserver.conftest import Cluster
from tests.unit.apiserver.test_bad_input import VALID, complete

from sealane.apiserver.encodings.protobuf import MAGIC, decode
from sealane.apiserver.encodings.protobuf_answers import encode, speaks
from sealane.apiserver.encodings.wire import fields
from sealane.kube.objects import Raw

PROTOBUF = "application/vnd.kubernetes.protobuf"
PROBE = {"httpGet": {"path": "/", "port": "http"}, "periodSeconds": 10}
POD: Raw = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {
        "name": "p",
        "creationTimestamp": "2026-01-02T03:04:05Z",
        "labels": {"a": "b", "c": ""},
        "managedFields": [
            {"manager": "m", "operation": "Update", "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": {}}}
        ],
    },
    "spec": {
        "terminationGracePeriodSeconds": 0,
        "hostNetwork": True,
        "containers": [
            {
                "name": "c",
                "image": "i",
                "readinessProbe": PROBE,
                "resources": {"limits": {"cpu": "250m", "memory": "1Gi"}},
                "ports": [{"containerPort": 80}],
                "securityContext": {"runAsUser": -1, "privileged": False},
            }
        ],
        "volumes": [{"name": "v", "configMap": {"name": "x", "optional": False}}],
    },
    "status": {"phase": "Running", "podIPs": [{"ip": "10.0.0.1"}, {"ip": "fd00::1"}]},
}
BUILTIN = [(kind, complete(kind, copy.deepcopy(raw))) for kind, raw in VALID if speaks(kind.api_version, kind.kind)]


@pytest.mark.parametrize("raw", [POD, *(raw for _, raw in BUILTIN)], ids=lambda raw: str(raw["kind"]))
def test_what_is_written_can_be_read(raw: Raw) -> None:
    known = {key: value for key, value in raw.items() if key != "stringData"}
    assert without_empty(decode(encode(known))) == without_empty(known)


def without_empty(value: Any) -> Any:
    """Without empty objects: a message cannot tell them from none."""
    if isinstance(value, dict):
        return {key: without_empty(each) for key, each in value.items() if each != {}}
    return [without_empty(each) for each in value] if isinstance(value, list) else value


def test_custom_kinds_are_not_spoken() -> None:
    assert not speaks("gateway.networking.k8s.io/v1", "HTTPRoute")
    assert {kind.kind for kind, _ in BUILTIN} >= {"Pod", "Service", "Deployment", "Secret", "Ingress"}


def unknown(data: bytes) -> tuple[str, dict[int, Any]]:
    """Kind and fields of an object's or list's message."""
    assert data.startswith(MAGIC)
    outer = dict(fields(data[4:]))
    return dict(fields(outer[1]))[2].decode(), dict(fields(outer[2]))


def test_who_takes_nothing_else_gets_protobuf(cluster: Cluster) -> None:
    async def test(ask: Asker) -> None:
        await ask.make("a", "b")

        async def fetch(path: str, accept: str = PROTOBUF, **query: str) -> tuple[int, str, bytes]:
            async with ask.session.get(path, params=query, headers={"Accept": accept}) as response:
                return response.status, response.headers["Content-Type"], await response.read()

        status, media, data = await fetch(f"{PATH}/a")
        assert (status, media) == (200, PROTOBUF)
        assert decode(data)["metadata"]["name"] == "a"
        status, media, data = await fetch(PATH, limit="1")
        kind, message = unknown(data)
        assert kind == "ConfigMapList"
        metadata = dict(fields(message[1]))
        assert (metadata[2].decode(), metadata[4]) == (str(ask.api.store.version), 1)
        status, media, data = await fetch(f"{PATH}/none")
        kind, message = unknown(data)
        assert (status, media, kind) == (404, PROTOBUF, "Status")
        assert (message[4], message[6]) == (b"NotFound", 404)
        status, media, data = await fetch(f"{PATH}/a", f"{PROTOBUF},application/json")
        assert (status, media) == (200, "application/json")
        for accept in (PROTOBUF, f"{PROTOBUF};as=Table;v=v1;g=meta.k8s.io"):
            path = PATH if "Table" in accept else "/apis/gateway.networking.k8s.io/v1/namespaces/default/httproutes"
            assert (await fetch(path, accept))[0] == 406
        status, media, data = await fetch(PATH, watch="1", timeoutSeconds="1")
        assert (status, media) == (200, f"{PROTOBUF};stream=watch")
        told = []
        while data:
            (size,) = struct.unpack(">I", data[:4])
            event = dict(fields(data[4 : 4 + size]))
            told.append((event[1].decode(), decode(dict(fields(event[2]))[1])["metadata"]["name"]))
            data = data[4 + size :]
        assert told == [("ADDED", "a"), ("ADDED", "b")]
        async with ask.session.post(
            PATH, json=configmap("c", k="v"), headers={"Accept": PROTOBUF, "Content-Type": "application/json"}
        ) as response:
            assert response.status == 201
            assert decode(await response.read())["data"] == {"k": "v"}

    run(cluster, test)
