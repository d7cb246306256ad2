"""`up` refuses a manifest exactly when the API would."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sealane.apiserver.api import Api
from sealane.apiserver.server import furnish, start_api
from sealane.apiserver.storage.store import Store
from sealane.apiserver.write import Write
from sealane.kube import kinds, manifests
from sealane.kube.client.protocol import ApiError
from sealane.kube.manifests.served import BUILTIN
from sealane.kube.objects import Raw

POD: Raw = {
    "containers": [
        {
            "name": "main",
            "image": "nginx",
            "env": [
                {"name": "A", "value": "1"},
                {"name": "B", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}},
            ],
            "ports": [{"containerPort": 80, "name": "http"}],
            "readinessProbe": {"httpGet": {"port": "http", "path": "/"}, "periodSeconds": 1},
            "resources": {"requests": {"cpu": "10m"}, "limits": {"memory": "1Gi"}},
            "volumeMounts": [{"name": "v", "mountPath": "/v"}],
        }
    ],
    "volumes": [{"name": "v", "emptyDir": {}}],
}
META: Raw = {"name": "a", "namespace": "default", "labels": {"app": "a"}}
TEMPLATE: Raw = {"metadata": {"labels": {"app": "a"}}, "spec": POD}
SELECTOR: Raw = {"matchLabels": {"app": "a"}}
JOB: Raw = {"template": {"spec": {**POD, "restartPolicy": "Never"}}, "backoffLimit": 2}


def described(api_version: str, kind: str, **rest: Any) -> Raw:
    return {"apiVersion": api_version, "kind": kind, "metadata": META, **rest}


OBJECTS: list[Raw] = [
    described("v1", "Pod", spec=POD),
    described(
        "v1",
        "Service",
        spec={
            "type": "NodePort",
            "selector": {"app": "a"},
            "ports": [{"port": 80, "targetPort": 80, "name": "x"}, {"port": 53, "protocol": "UDP", "name": "y"}],
        },
        status={"loadBalancer": {}},
    ),
    described("v1", "ConfigMap", data={"a": "b"}, immutable=True),
    described("v1", "Secret", stringData={"a": "b"}, type="Opaque"),
    described("apps/v1", "Deployment", spec={"replicas": 2, "selector": SELECTOR, "template": TEMPLATE}),
    described("apps/v1", "StatefulSet", spec={"serviceName": "a", "selector": SELECTOR, "template": TEMPLATE}),
    described("apps/v1", "DaemonSet", spec={"selector": SELECTOR, "template": TEMPLATE}),
    described("batch/v1", "Job", spec=JOB),
    described("batch/v1", "CronJob", spec={"schedule": "* * * * *", "jobTemplate": {"spec": JOB}}),
    described(
        "networking.k8s.io/v1",
        "NetworkPolicy",
        spec={
            "podSelector": {},
            "ingress": [{"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}], "ports": [{"port": 80, "endPort": 90}]}],
        },
    ),
    described(
        "networking.k8s.io/v1",
        "Ingress",
        spec={
            "rules": [
                {
                    "host": "a.example",
                    "http": {
                        "paths": [
                            {
                                "path": "/",
                                "pathType": "Prefix",
                                "backend": {"service": {"name": "a", "port": {"number": 80}}},
                            }
                        ]
                    },
                }
            ]
        },
    ),
    described(
        "gateway.networking.k8s.io/v1",
        "HTTPRoute",
        spec={
            "parentRefs": [{"name": "gw"}],
            "rules": [{"matches": [{"path": {"value": "/"}}], "backendRefs": [{"name": "a", "port": 80, "weight": 1}]}],
        },
    ),
    described(
        "gateway.networking.k8s.io/v1",
        "Gateway",
        spec={"gatewayClassName": "sealane", "listeners": [{"name": "http", "port": 80, "protocol": "HTTP"}]},
    ),
]
ODD: list[Any] = [0, -1, 1, 65536, "", "x", "A b", None, True, [], {}, [None], {"x": 1}, "80", 1.5, "10.0.0.0/33"]


def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The paths of all values below."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, below in items:
        yield (*path, key)
        yield from places(below, (*path, key))


@st.composite
def objects(draw: st.DrawFn) -> Raw:
    """A sound object with one to three fields changed, removed or added."""
    raw = copy.deepcopy(draw(st.sampled_from(OBJECTS)))
    for _ in range(draw(st.integers(1, 3))):
        # Which namespaces there are is the cluster's to know.
        fixed = (("apiVersion",), ("kind",), ("metadata", "namespace"))
        paths = [path for path in places(raw) if path not in fixed]
        if not paths:
            break
        path = draw(st.sampled_from(paths))
        part = raw
        for name in path[:-1]:
            part = part[name]  # type: ignore[index]
        what = draw(st.sampled_from(["change", "change", "remove", "add"]))
        if what == "change":
            part[path[-1]] = copy.deepcopy(draw(st.sampled_from(ODD)))  # type: ignore[index]
        elif what == "remove":
            del part[path[-1]]  # type: ignore[arg-type]
        elif isinstance(part, dict):
            part["unheardOf"] = copy.deepcopy(draw(st.sampled_from(ODD)))
    return raw


class Verdicts:
    """What `up` says of an object, and what the API says to a client that asks for every problem, as kubectl does."""

    def __init__(self, api: Api, runner: asyncio.Runner) -> None:
        self._api = api
        self._runner = runner

    def __call__(self, raw: Raw) -> tuple[list[str], str]:
        loaded = manifests.load(["-"], stdin=[json.dumps(raw)])
        sent = loaded.objects[0].raw if loaded.objects else raw
        return [str(each) for each in loaded.problems], self._runner.run(self._created(sent))

    async def _created(self, raw: Raw) -> str:
        kind = BUILTIN[(raw["apiVersion"], raw["kind"])]
        try:
            await self._api.create(kind, "default", raw, Write(dry_run=True, field_validation="Strict"))
        except ApiError as error:
            return f"{error.code} {error.message}"
        return ""


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Verdicts]:
    async def begun() -> Api:
        api = start_api(Store.open(tmp_path_factory.mktemp("api") / "a.db"))
        furnish(api)
        await api.create(kinds.NAMESPACE, "", {"metadata": {"name": "default"}})
        return api

    with asyncio.Runner() as runner:
        api = runner.run(begun())
        yield Verdicts(api, runner)
        api.store.close()


UNKNOWN_STATUS = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "a", "namespace": "default"},
    "spec": {"ports": [{"port": 80}]},
    "status": {"x": 1},
}


@settings(max_examples=300, deadline=None)
@given(objects())
@example(UNKNOWN_STATUS)
def test_on_every_object(verdicts: Verdicts, raw: Raw) -> None:
    said, answer = verdicts(raw)
    assert bool(said) is bool(answer), (said, answer)


@pytest.mark.parametrize("raw", OBJECTS, ids=lambda raw: raw["kind"])
def test_on_sound_ones(verdicts: Verdicts, raw: Raw) -> None:
    assert verdicts(raw) == ([], "")


def test_an_empty_namespace_is_that_of_the_request(verdicts: Verdicts) -> None:
    raw = described("v1", "ConfigMap")
    assert verdicts({**raw, "metadata": {**META, "namespace": ""}}) == ([], "")


@pytest.mark.parametrize("wrong", [0, "", {}, False])
def test_what_the_server_fills_in_hides_no_mistake(verdicts: Verdicts, wrong: Any) -> None:
    containers = [{**POD["containers"][0], "volumeMounts": wrong}]
    said, answer = verdicts(described("v1", "Pod", spec={**POD, "containers": containers}))
    assert "volumeMounts" in said[0]
    assert "volumeMounts" in answer


def test_defaults_come_before_the_checks(verdicts: Verdicts) -> None:
    ports = [{"port": 80, "targetPort": 0}]
    assert verdicts(described("v1", "Service", spec={"ports": ports})) == ([], "")
