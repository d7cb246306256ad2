"""Whatever a client sends: done, or refused with a reason. Never an internal error."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from sealane.apiserver.local import LocalClient
from sealane.apiserver.server import start_api
from sealane.apiserver.storage.store import Store
from sealane.apiserver.write import Write
from sealane.kube import kinds
from sealane.kube.client.protocol import ApiError, PatchType
from sealane.kube.kinds import Kind
from sealane.kube.objects import Raw

WRITTEN = frozenset({"status", "scale", "approval", "ephemeralcontainers", "finalize"})
"""Subresources that are written as objects are."""

LABELS = {"app": "web"}
POD_SPEC = {
    "containers": [
        {
            "name": "c",
            "image": "nginx",
            "ports": [{"containerPort": 80, "protocol": "TCP"}],
            "env": [{"name": "A", "value": "b"}],
            "resources": {"requests": {"cpu": "1"}, "limits": {"memory": "1Gi"}},
        }
    ],
    "tolerations": [{"key": "a", "operator": "Exists"}],
}
WORKLOAD = {
    "replicas": 1,
    "selector": {"matchLabels": LABELS},
    "template": {"metadata": {"labels": LABELS}, "spec": POD_SPEC},
}
VERSION = {
    "name": "v1",
    "served": True,
    "storage": True,
    "schema": {"openAPIV3Schema": {"type": "object"}},
    "subresources": {"scale": {"specReplicasPath": ".spec.size", "statusReplicasPath": ".status.size"}},
    "additionalPrinterColumns": [{"name": "Size", "type": "integer", "jsonPath": ".spec.size"}],
}
OWNER = {"apiVersion": "v1", "kind": "ConfigMap", "name": "o", "uid": "1"}
BACKEND = {"service": {"name": "web", "port": {"number": 80}}}
PEER = {"podSelector": {"matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}]}}

VALID: list[tuple[Kind, Raw]] = [
    (kinds.POD, {"spec": POD_SPEC}),
    (kinds.DEPLOYMENT, {"spec": WORKLOAD}),
    (kinds.STATEFULSET, {"spec": {**WORKLOAD, "serviceName": "db"}}),
    (
        kinds.SERVICE,
        {
            "spec": {
                "type": "NodePort",
                "selector": LABELS,
                "clusterIPs": ["10.96.9.9"],
                "ports": [{"port": 80, "nodePort": 30100}],
            }
        },
    ),
    (kinds.SECRET, {"type": "Opaque", "data": {"a": "YQ=="}, "stringData": {"b": "c"}}),
    (kinds.CONFIGMAP, {"data": {"a": "b"}, "immutable": False}),
    (
        kinds.INGRESS,
        {
            "spec": {
                "rules": [{"host": "a.b", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": BACKEND}]}}]
            }
        },
    ),
    (kinds.NETWORKPOLICY, {"spec": {"podSelector": {}, "ingress": [{"from": [PEER], "ports": [{"port": 80}]}]}}),
    (
        kinds.CRD,
        {
            "spec": {
                "group": "example.com",
                "scope": "Namespaced",
                "names": {"kind": "W", "plural": "ws"},
                "versions": [VERSION],
            }
        },
    ),
    (kinds.NAMESPACE, {"spec": {"finalizers": ["kubernetes"]}}),
    (
        kinds.HTTPROUTE,
        {"spec": {"parentRefs": [{"name": "g"}], "rules": [{"backendRefs": [{"name": "web", "port": 80}]}]}},
    ),
    (
        kinds.EVENT,
        {"involvedObject": {"kind": "Pod", "name": "p", "namespace": "default"}, "reason": "R", "type": "Normal"},
    ),
]

JUNK = st.sampled_from(
    [
        None,
        True,
        0,
        -1,
        1.5,
        2**70,
        "",
        "x",
        "../..",
        "\x00",
        "é" * 300,
        [],
        [None],
        [[]],
        {},
        {"": None},
        {"a": {"b": []}},
        [{}],
    ]
)


def complete(kind: Kind, fields: Raw) -> Raw:
    metadata: Raw = {
        "name": "ws.example.com" if kind == kinds.CRD else "a",
        "labels": LABELS,
        "annotations": {"a": "b"},
    }
    metadata |= {"finalizers": ["example.com/f"], "ownerReferences": [OWNER]}
    if kind.namespaced:
        metadata["namespace"] = "default"
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, **fields}


def paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in items:
        yield from paths(each, (*path, key))


@st.composite
def broken(draw: st.DrawFn) -> tuple[Kind, Raw, Any]:
    """A kind, a valid object of it, and the same with junk in one to three places."""
    kind, fields = draw(st.sampled_from(VALID))
    valid = complete(kind, fields)
    wrong: Any = copy.deepcopy(valid)
    for _ in range(draw(st.integers(1, 3))):
        *way, last = draw(st.sampled_from([path for path in paths(wrong) if path] or [("x",)]))
        place: Any = wrong
        for part in way:
            place = place[part]
        if draw(st.booleans()) or isinstance(place, list):
            place[last] = copy.deepcopy(draw(JUNK))
        else:
            place.pop(last, None)
            place[draw(st.sampled_from(["", "unknown", "metadata", "spec"]))] = copy.deepcopy(draw(JUNK))
    return kind, valid, wrong


async def tolerated(work: Any) -> None:
    refusal: ApiError | None = None
    try:
        await work
    except ApiError as error:
        refusal = error
    assert refusal is None or (400 <= refusal.code < 500 and refusal.reason and refusal.message), refusal


@settings(max_examples=150, deadline=None)
@given(broken(), st.sampled_from(["Strict", "Warn", "Ignore"]))
def test_no_object_is_too_broken_to_be_refused(drawn: tuple[Kind, Raw, Any], strictness: str) -> None:
    kind, valid, wrong = drawn

    async def run(folder: Path) -> None:
        api = start_api(Store.open(folder / "store.db"))
        await LocalClient(api).create(kinds.NAMESPACE, {"metadata": {"name": "default"}})
        namespace, name = "default" if kind.namespaced else "", valid["metadata"]["name"]
        options = Write(field_validation=strictness, manager="test", force=True)

        def given_away() -> Any:
            return copy.deepcopy(wrong)

        await tolerated(api.create(kind, namespace, given_away(), options))
        await tolerated(api.create(kind, namespace, copy.deepcopy(valid), options))
        await tolerated(api.update(kind, namespace, name, given_away(), options=options))
        types: tuple[PatchType, ...] = ("merge", "strategic", "json")
        for type_ in types:
            await tolerated(api.patch(kind, namespace, name, given_away(), type=type_, options=options))
        await tolerated(api.apply(kind, namespace, name, given_away(), options=options))
        for subresource in WRITTEN.intersection(kind.subresources):
            await tolerated(api.patch(kind, namespace, name, given_away(), subresource=subresource, options=options))
            await tolerated(api.update(kind, namespace, name, given_away(), subresource=subresource, options=options))
        await tolerated(api.delete(kind, namespace, name))
        api.store.close()
        Store.open(folder / "store.db").close()  # and what it did take can be read again

    with TemporaryDirectory() as folder:
        asyncio.run(run(Path(folder)))
