"""One request takes no more than its share: what kube-apiserver bounds is bounded."""

from __future__ import annotations

import asyncio
import gc
import json
import socket
from pathlib import Path
from typing import Any

import pytest
import uvloop
from tests.unit.apiserver.asking import PATH, Asker, run
from tests.unit.apiserver.conftest import Cluster
from tests.unit.apiserver.serving import serving

from sealane.cluster.memory import give_back


def test_a_collection_is_deleted_in_one_namespace_only(cluster: Cluster) -> None:
    async def test(ask: Asker) -> None:
        await ask.make("a")
        refused = await ask("/api/v1/configmaps", "DELETE")
        assert (refused["http"], refused["reason"]) == (405, "MethodNotAllowed")
        assert (await ask(f"{PATH}/a"))["http"] == 200

    run(cluster, test)


@pytest.mark.parametrize("path", ["/api/v1/namespaces//configmaps", f"{PATH}//a", f"{PATH}//", "/api/v1//configmaps"])
def test_a_path_with_an_empty_segment_is_not_found(cluster: Cluster, path: str) -> None:
    async def test(ask: Asker) -> None:
        await ask.make("a")
        assert (await ask(path))["http"] == 404

    run(cluster, test)


def nested(levels: int) -> bytes:
    return b'{"a":' * levels + b"1" + b"}" * levels


@pytest.mark.parametrize("media", ["application/json", "application/yaml"])
@pytest.mark.parametrize("levels", [300, 900, 100_000])
def test_a_body_of_too_many_levels_is_refused_and_lists_go_on(cluster: Cluster, media: str, levels: int) -> None:
    async def test(ask: Asker) -> None:
        await define_things(ask)
        thing = {"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "deep"}, "spec": "SPEC"}
        body = json.dumps(thing).encode().replace(b'"SPEC"', nested(levels))
        things = "/apis/example.com/v1/namespaces/default/things"
        refused = await ask(things, "POST", body, media)
        assert refused["http"] == 400
        assert "exceeded max depth of 200" in refused["message"]
        assert (await ask(things))["items"] == []

    run(cluster, test)


async def define_things(ask: Asker) -> None:
    definition = {
        "metadata": {"name": "things.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": "things", "kind": "Thing"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": LOOSE}}],
        },
    }
    made = await ask("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", "POST", definition)
    assert made["http"] == 201


def test_json_that_is_applied_is_read_as_json(cluster: Cluster) -> None:
    """To a reader of YAML 1.1 its numbers with an exponent are text."""

    async def test(ask: Asker) -> None:
        await define_things(ask)
        body = b' {"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "t"}, "spec": {"ratio": 2e3}}'
        path, media = "/apis/example.com/v1/namespaces/default/things/t", "application/apply-patch+yaml"
        made = await ask(path, "PATCH", body, media, fieldManager="me")
        assert made["spec"] == {"ratio": 2000}

    run(cluster, test)


LOOSE: dict[str, Any] = {
    "type": "object",
    "properties": {"spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (
            "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
            + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)),
            "document contains excessive aliasing",
        ),
        ("a: &a [*a]", "anchor 'a' value contains itself"),
    ],
)
def test_aliases_of_yaml_write_out_to_a_bounded_size(cluster: Cluster, text: str, why: str) -> None:
    async def test(ask: Asker) -> None:
        refused = await ask(PATH, "POST", text.encode(), "application/yaml")
        assert (refused["http"], refused["message"]) == (400, f"the body of the request is not valid: {why}")
        few = b"metadata: {name: few}\ndata: {a: &a x, b: *a}"
        assert (await ask(PATH, "POST", few, "application/yaml"))["data"] == {"a": "x", "b": "x"}

    run(cluster, test)


@pytest.mark.parametrize("sent", [b"", b"GET /version HTTP/1.1\r\nHost: a\r\n"])
def test_a_connection_without_the_head_of_a_request_is_closed(cluster: Cluster, sent: bytes) -> None:
    async def inside() -> None:
        async with serving(cluster.open(), patience=0.2) as server:
            tls = server.access.ssl_context()
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=tls)
            writer.write(sent)
            try:
                ended = await asyncio.wait_for(reader.read(), 20)
            except ConnectionError:
                ended = b""
            assert ended == b""
            writer.close()

    asyncio.run(inside())


def resident() -> int:
    """The memory of this process that is its own, in KiB."""
    return next(int(line.split()[1]) for line in Path("/proc/self/status").open() if line.startswith("RssAnon:"))


def test_memory_of_connections_that_only_began_comes_back(cluster: Cluster) -> None:
    async def inside() -> None:
        count = 1000
        async with serving(cluster.open()) as server:
            giving = asyncio.create_task(give_back(0.2, float("inf")))
            await asyncio.sleep(0.5)
            before = resident()
            begun = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(100)]
            for _ in range(count - 100):
                begun.append(socket.create_connection(("127.0.0.1", server.port)))
                await asyncio.sleep(0)
            for each in begun:
                each.send(b"\x16")  # a handshake that goes no further
            await asyncio.sleep(0.2)
            during = resident()
            for each in begun:
                each.close()
            await asyncio.sleep(1)
            giving.cancel()
            gc.unfreeze()
            assert resident() - before < max((during - before) / 3, 8 << 10)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:  # the loop of the control plane
        runner.run(inside())
