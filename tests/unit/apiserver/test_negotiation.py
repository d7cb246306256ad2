"""Media types and forms of answers and bodies."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
from typing import Any

import cbor2
import pytest
import yaml
from tests.unit.apiserver.asking import PATH, Asker, configmap, run
from tests.unit.apiserver.conftest import Cluster

from sealane.apiserver.encodings import cbor
from sealane.kube import kinds
from sealane.kube.client.protocol import ApiError

PARTIAL = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


async def fetch(ask: Asker, accept: str, path: str = PATH, **query: str) -> tuple[int, str, bytes]:
    async with ask.session.get(path, params=query, headers={"Accept": accept}) as response:
        return response.status, response.headers["Content-Type"], await response.read()


def test_answers_come_in_the_media_type_that_is_liked_best(cluster: Cluster) -> None:
    async def test(ask: Asker) -> None:
        await ask.make("a")
        plain = json.loads((await fetch(ask, "application/json"))[2])
        status, media, data = await fetch(ask, "application/yaml")
        assert (status, media) == (200, "application/yaml")
        assert yaml.safe_load(data.replace(b"creationTimestamp: '", b"creationTimestamp: '")) == plain
        status, media, data = await fetch(ask, "application/cbor")
        assert (status, media, data[:3]) == (200, "application/cbor", b"\xd9\xd9\xf7")
        assert cbor.decode(data) == plain
        for accept in (
            "application/vnd.kubernetes.protobuf,application/json",
            "application/yaml;q=0.5, application/json",
            "text/html, */*;q=0.1",
            "application/json;as=Unheard;v=v1;g=x, application/json",
        ):
            status, media, data = await fetch(ask, accept)
            assert (status, media.partition(";")[0], json.loads(data)) == (200, "application/json", plain), accept

    run(cluster, test)


def test_what_cannot_be_given_or_read_is_refused_with_a_status(cluster: Cluster) -> None:
    async def test(ask: Asker) -> None:
        await ask.make("a")
        status, _, data = await fetch(ask, "text/html")
        assert (status, json.loads(data)["reason"]) == (406, "NotAcceptable")
        assert json.loads(data)["message"].startswith("only the following media types are accepted: application/json,")
        status, _, data = await fetch(ask, "application/yaml", watch="1")
        assert (status, json.loads(data)["reason"] if data[:1] == b"{" else yaml.safe_load(data)["reason"]) == (
            406,
            "NotAcceptable",
        )
        status, media, data = await fetch(ask, "application/yaml", f"{PATH}/none")
        assert (status, media, yaml.safe_load(data)["reason"]) == (404, "application/yaml", "NotFound")
        for media in ("text/plain", "application/xml"):
            refused = await ask(method="POST", body=b"<x/>", media=media)
            assert (refused["http"], refused["reason"]) == (415, "UnsupportedMediaType")
        refused = await ask(f"{PATH}/a", method="PATCH", body={}, media="application/json")
        assert (refused["http"], refused["reason"]) == (415, "UnsupportedMediaType")
        assert "application/json-patch+json, application/merge-patch+json" in refused["message"]
        for method in ("HEAD", "OPTIONS"):
            async with ask.session.request(method, PATH) as response:
                assert response.status == 405
        for bad in (b"", b"\xff\xff", b"[1,", b"\x81" * 3000):
            for media in ("application/json", "application/yaml", "application/cbor"):
                refused = await ask(method="POST", body=bad, media=media)
                assert (refused["http"], refused["kind"]) == (400, "Status"), (media, bad[:4])

    run(cluster, test)


def test_bodies_are_read_in_every_media_type(cluster: Cluster) -> None:
    async def test(ask: Asker) -> None:
        made = await ask(method="POST", body=yaml.safe_dump(configmap("y", k="v")).encode(), media="application/yaml")
        assert made["data"] == {"k": "v"}
        body = cbor2.dumps({key.encode(): value for key, value in configmap("c", k="v").items()})
        made = await ask(method="POST", body=b"\xd9\xd9\xf7" + body, media="application/cbor")
        assert (made["http"], made["data"]) == (201, {"k": "v"})
        applied = cbor.encode(configmap("c2", k="v"))
        query = {"fieldManager": "me"}
        made = await ask(f"{PATH}/c2", "PATCH", applied, "application/apply-patch+cbor", **query)
        assert (made["http"], made["data"]) == (201, {"k": "v"})

    run(cluster, test)


def test_a_whole_number_with_a_point_is_one_in_yaml_and_none_in_json(cluster: Cluster) -> None:
    """As Go reads them: sigs.k8s.io/yaml writes 80.0 as 80, encoding/json reads 80.0 into no int32."""

    async def test(ask: Asker) -> None:
        services = "/api/v1/namespaces/default/services"
        service = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "s"},
            "spec": {"ports": [{"port": 80.0}]},
        }
        refused = await ask(services, "POST", service)
        assert (refused["http"], "cannot unmarshal number 80.0" in refused["message"]) == (400, True)
        made = await ask(services, "POST", yaml.safe_dump(service).encode(), "application/yaml")
        assert (made["http"], repr(made["spec"]["ports"][0]["port"])) == (201, "80")
        ports = {"spec": {"ports": [{"port": 80, "targetPort": 81.0}]}}
        made = await ask(f"{services}/s", "PATCH", ports, "application/strategic-merge-patch+json")
        assert repr(made["spec"]["ports"][0]["targetPort"]) == "81"

    run(cluster, test)


@pytest.mark.parametrize(
    ("item", "value"),
    [
        (b"bytes are text", "bytes are text"),
        (cbor2.CBORTag(22, b"hello"), "aGVsbG8="),
        (cbor2.CBORTag(21, b"\xff\xfe"), "__4="),
        (cbor2.CBORTag(23, b"\x01\xab"), "01AB"),
        (cbor2.CBORTag(0, "2026-01-02T03:04:05Z"), "2026-01-02T03:04:05Z"),
        (cbor2.CBORTag(999, ["unknown tags fall away"]), ["unknown tags fall away"]),
        ({b"key": 1.5}, {"key": 1.5}),
    ],
)
def test_cbor_is_read_as_the_json_it_stands_for(item: Any, value: Any) -> None:
    assert cbor.decode(cbor2.dumps(item)) == value


@pytest.mark.parametrize(
    "item", [float("nan"), float("inf"), 2**64, {1: 2}, cbor2.undefined, b"\xff", {"a": {b"\xff": 1}}]
)
def test_cbor_that_json_cannot_say_is_refused(item: Any) -> None:
    with pytest.raises(ApiError, match="is not valid CBOR") as refused:
        cbor.decode(cbor2.dumps(item))
    assert refused.value.code == 400


def test_watches_come_in_every_form(cluster: Cluster) -> None:
    async def test(ask: Asker) -> None:
        await ask.make("a")

        async def first(accept: str, **query: str) -> tuple[str, bytes]:
            asked = {"watch": "1", "timeoutSeconds": "1", "allowWatchBookmarks": "1", **query}
            async with ask.session.get(PATH, params=asked, headers={"Accept": accept}) as response:
                return response.headers["Content-Type"], await response.read()

        media, data = await first("application/cbor")
        assert media == "application/cbor-seq"
        stream = io.BytesIO(data)
        events = [cbor2.load(stream) for _ in range(data.count(b"\xd9\xd9\xf7"))]
        assert [event["type"] for event in events] == ["ADDED", "BOOKMARK", "BOOKMARK"]
        assert events[0]["object"]["metadata"]["name"] == "a"
        _, data = await first(PARTIAL)
        added, bookmark, last = (json.loads(line) for line in data.splitlines())
        assert (added["object"]["kind"], added["object"]["metadata"]["name"]) == ("PartialObjectMetadata", "a")
        assert "data" not in added["object"]
        assert bookmark["object"]["kind"] == last["object"]["kind"] == "PartialObjectMetadata"
        assert last["object"]["metadata"] == {"resourceVersion": str(ask.api.store.version)}  # at the end of the time
        _, data = await first(TABLE)
        added, bookmark, last = (json.loads(line) for line in data.splitlines())
        assert added["object"]["rows"][0]["cells"][0] == "a"
        assert bookmark["object"]["rows"][0]["object"]["metadata"]["annotations"] == {
            "k8s.io/initial-events-end": "true"
        }

    run(cluster, test)


def test_metadata_alone(cluster: Cluster) -> None:
    async def test(ask: Asker) -> None:
        await ask.client.create(kinds.CONFIGMAP, configmap("a", k="v"))
        for accept, path, kind in (
            (PARTIAL, f"{PATH}/a", "PartialObjectMetadata"),
            (PARTIAL.replace("Metadata", "MetadataList"), PATH, "PartialObjectMetadataList"),
        ):
            found = json.loads((await fetch(ask, accept, path))[2])
            assert (found["kind"], found["apiVersion"]) == (kind, "meta.k8s.io/v1")
            assert '"data"' not in json.dumps(found)

    run(cluster, test)


def test_long_answers_are_compressed_for_those_who_ask_for_it(cluster: Cluster) -> None:
    async def test(ask: Asker) -> None:
        await ask.client.create(kinds.CONFIGMAP, configmap("big", k="v" * 140_000))
        await ask.make("small")
        headers = {"Accept-Encoding": "gzip"}
        for path, compressed in ((PATH, True), (f"{PATH}/big", True), (f"{PATH}/small", False)):
            async with ask.session.get(path, headers=headers, auto_decompress=False) as response:
                data = await response.read()
                assert (response.headers.get("Content-Encoding") == "gzip") is compressed
                found = json.loads(gzip.decompress(data) if compressed else data)
                assert found["kind"] in ("ConfigMap", "ConfigMapList")
                assert len(data) < 140_000
        async with ask.session.get(PATH, headers={"Accept-Encoding": "identity"}) as response:
            assert "Content-Encoding" not in response.headers

    run(cluster, test)


def test_people_get_lines_programs_do_not(cluster: Cluster) -> None:
    async def test(ask: Asker) -> None:
        await ask.make("a")
        for query, agent, pretty in (
            ({}, "curl/8", True),
            ({"pretty": "true"}, "go", True),
            ({"pretty": "0"}, "curl/8", False),
        ):
            async with ask.session.get(f"{PATH}/a", params=query, headers={"User-Agent": agent}) as response:
                data = await response.read()
                assert (b'\n  "kind"' in data) is pretty
                assert json.loads(data)["metadata"]["name"] == "a"

    run(cluster, test)


def test_hundreds_of_watches_and_requests_between_them(cluster: Cluster) -> None:
    async def test(ask: Asker) -> None:
        ask.session.connector._limit = 0  # type: ignore[union-attr]  # aiohttp's own bound of connections
        watches = [asyncio.create_task(ask.events(3)) for _ in range(300)]
        for _ in range(200):
            if ask.api.hub.count == 300:
                break
            await asyncio.sleep(0.05)
        await ask.make("a", "b", "c")
        for events in await asyncio.gather(*watches):
            assert [event["object"]["metadata"]["name"] for event in events] == ["a", "b", "c"]

    run(cluster, test)
