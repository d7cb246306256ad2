"""Events through both groups that serve them."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from tests.unit.apiserver.asking import Asker, names, run
from tests.unit.apiserver.conftest import Cluster
from tests.unit.apiserver.serving import serving

from sealane.apiserver.encodings.protobuf import decode
from sealane.apiserver.followers.retention import EVENT_SECONDS, expire

CORE = "/api/v1/namespaces/default/events"
NEW = "/apis/events.k8s.io/v1/namespaces/default/events"
MERGE = "application/merge-patch+json"
POD = {"kind": "Pod", "namespace": "default", "name": "web"}
PROTOBUF = "application/vnd.kubernetes.protobuf"


def old_event(name: str = "old", **fields: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": name},
        "involvedObject": POD,
        "reason": "Pulled",
        "message": "got the image",
        "source": {"component": "kubelet", "host": "n"},
        "firstTimestamp": "2026-01-01T00:00:00Z",
        "lastTimestamp": "2026-01-01T00:00:01Z",
        "count": 2,
        "type": "Normal",
        **fields,
    }


def new_event(name: str = "new", **fields: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": name},
        "eventTime": "2026-01-01T00:00:00.123456Z",
        "reportingController": "example.com/mover",
        "reportingInstance": "mover-0",
        "action": "Move",
        "reason": "Moved",
        "regarding": POD,
        "related": {"kind": "Node", "name": "n"},
        "note": "from here to there",
        "type": "Normal",
        **fields,
    }


def body(event: Any) -> dict[str, Any]:
    return {key: event[key] for key in event if key not in ("http", "apiVersion", "kind", "metadata")}


def test_an_event_of_one_group_is_one_of_the_other(cluster: Cluster) -> None:
    async def test(ask: Asker) -> None:
        made = await ask(NEW, "POST", new_event())
        assert (made["http"], made["apiVersion"]) == (201, "events.k8s.io/v1")
        assert body(made) == body(new_event())
        core = await ask(CORE + "/new")
        assert (core["apiVersion"], core["metadata"]["uid"]) == ("v1", made["metadata"]["uid"])
        assert body(core) == {
            "eventTime": "2026-01-01T00:00:00.123456Z",
            "reportingComponent": "example.com/mover",
            "reportingInstance": "mover-0",
            "action": "Move",
            "reason": "Moved",
            "involvedObject": POD,
            "related": {"kind": "Node", "name": "n"},
            "message": "from here to there",
            "type": "Normal",
        }
        assert (await ask(CORE, "POST", old_event()))["http"] == 201
        shown = await ask(NEW + "/old")
        assert body(shown) == {
            "regarding": POD,
            "reason": "Pulled",
            "note": "got the image",
            "deprecatedSource": {"component": "kubelet", "host": "n"},
            "deprecatedFirstTimestamp": "2026-01-01T00:00:00Z",
            "deprecatedLastTimestamp": "2026-01-01T00:00:01Z",
            "deprecatedCount": 2,
            "type": "Normal",
        }
        assert (await ask(NEW, "POST", new_event("old")))["reason"] == "AlreadyExists"
        for path, version in ((CORE, "v1"), (NEW, "events.k8s.io/v1"), ("/apis/events.k8s.io/v1/events", None)):
            listed = await ask(path)
            assert names(listed) == ["new", "old"]
            assert listed["kind"] == "EventList"
            if version:
                assert listed["apiVersion"] == version
        gone = await ask(NEW + "/old", "DELETE")
        assert gone["details"]["group"] == "events.k8s.io"
        assert (await ask(CORE + "/old"))["http"] == 404
        await ask(CORE + "/new", "DELETE")
        assert names(await ask(NEW)) == []

    run(cluster, test)


def test_both_groups_watch_what_is_written_through_either(cluster: Cluster) -> None:
    async def test(ask: Asker) -> None:
        start = {"resourceVersion": str(ask.api.store.version)}
        watches = [asyncio.create_task(ask.events(4, path, **start)) for path in (CORE, NEW)]
        selected = asyncio.create_task(ask.events(2, NEW, **start, fieldSelector="regarding.name=web,type=Normal"))
        await ask(CORE, "POST", old_event(involvedObject={**POD, "name": "db"}))
        await ask(NEW, "POST", new_event())
        patch = {"series": {"count": 2, "lastObservedTime": "2026-01-01T00:00:05.000001Z"}}
        assert (await ask(NEW + "/new", "PATCH", patch, MERGE))["http"] == 200
        await ask(CORE + "/old", "DELETE")
        core, new = await asyncio.gather(*watches)
        for found, version in ((core, "v1"), (new, "events.k8s.io/v1")):
            assert [each["type"] for each in found] == ["ADDED", "ADDED", "MODIFIED", "DELETED"]
            assert {each["object"]["apiVersion"] for each in found} == {version}
            assert found[2]["object"]["series"] == patch["series"]
        assert [each["object"]["message"] for each in core[:2]] == ["got the image", "from here to there"]
        assert [each["object"]["note"] for each in new[:2]] == ["got the image", "from here to there"]
        versions = [[each["object"]["metadata"]["resourceVersion"] for each in found] for found in (core, new)]
        assert versions[0] == versions[1]
        assert [each["object"]["metadata"]["name"] for each in await selected] == ["new", "new"]

    run(cluster, test)


@pytest.mark.parametrize(
    ("path", "selector", "found"),
    [
        (NEW, "regarding.name=web", ["new", "old"]),
        (NEW, "reportingController=example.com/mover", ["new"]),
        (CORE, "involvedObject.name=web,reportingComponent=", ["old"]),
        (CORE, "source=example.com/mover", ["new"]),
        (CORE, "source=kubelet", ["old"]),
    ],
)
def test_fields_are_selected_by_the_names_of_the_group(
    cluster: Cluster, path: str, selector: str, found: list[str]
) -> None:
    async def test(ask: Asker) -> None:
        await ask(NEW, "POST", new_event())
        await ask(CORE, "POST", old_event())
        assert names(await ask(path, fieldSelector=selector)) == found
        refused = await ask(NEW, fieldSelector="involvedObject.name=web")
        assert refused["message"] == "field label not supported: involvedObject.name"

    run(cluster, test)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"eventTime": None}, ["eventTime: Required value"]),
        ({"type": "Odd"}, ['type: Invalid value: "": has invalid value: Odd']),
        ({"deprecatedCount": 1}, ['count: Invalid value: "": needs to be unset']),
        ({"note": "x" * 1025}, ['message: Invalid value: "": can have at most 1024 characters']),
        ({"reportingInstance": "x" * 129}, ['reportingInstance: Invalid value: "": can have at most 128 characters']),
        (
            {"reportingController": "", "reportingInstance": "", "action": "", "reason": ""},
            [f"{each}: Required value" for each in ("reportingController", "reportingInstance", "action", "reason")],
        ),
        (
            {"series": {"count": 1, "lastObservedTime": "2026-01-01T00:00:05.000001Z"}},
            ['series.count: Invalid value: "": should be at least 2'],
        ),
    ],
)
def test_new_events_have_to_say_more(cluster: Cluster, fields: dict[str, Any], says: list[str]) -> None:
    async def test(ask: Asker) -> None:
        refused = await ask(NEW, "POST", new_event(**fields))
        assert refused["http"] == 422
        assert refused["message"].startswith('Event.events.k8s.io "new" is invalid: ')
        for each in says:
            assert each in refused["message"]

    run(cluster, test)


def test_through_the_new_group_only_the_series_goes_on(cluster: Cluster) -> None:
    async def test(ask: Asker) -> None:
        await ask(CORE, "POST", old_event())
        before = (await ask(CORE + "/old"))["metadata"]["resourceVersion"]
        refused = await ask(NEW + "/old", "PATCH", {"note": "other"}, MERGE)
        assert refused["message"] == (
            'Event.events.k8s.io "old" is invalid: message: Invalid value: "other": field is immutable'
        )
        same = await ask(NEW + "/old", "PATCH", {"note": "got the image"}, MERGE)
        assert same["metadata"]["resourceVersion"] == before
        series = {"count": 3, "lastObservedTime": "2026-01-01T00:00:05.000001Z"}
        assert (await ask(NEW + "/old", "PATCH", {"series": series}, MERGE))["http"] == 200
        assert (await ask(CORE + "/old"))["series"] == series
        changed = await ask(CORE + "/old", "PATCH", {"message": "other", "count": 3}, MERGE)
        assert (changed["http"], changed["count"]) == (200, 3)
        whole = await ask(NEW + "/old")
        del whole["http"], whole["metadata"]["managedFields"]
        whole["metadata"]["labels"] = {"a": "b"}
        assert (await ask(NEW + "/old", "PUT", whole))["http"] == 200
        assert (await ask(CORE + "/old"))["metadata"]["labels"] == {"a": "b"}

    run(cluster, test)


def test_an_event_of_core_is_of_its_objects_namespace(cluster: Cluster) -> None:
    async def test(ask: Asker) -> None:
        refused = await ask(CORE, "POST", old_event(involvedObject={**POD, "namespace": "other"}))
        assert refused["message"] == (
            'Event "old" is invalid: involvedObject.namespace: Invalid value: "other": does not match event.namespace'
        )
        refused = await ask(CORE, "POST", old_event(eventTime="2026-01-01T00:00:00.5Z"))
        assert "reportingComponent: Required value" in refused["message"]

    run(cluster, test)


def test_tables_and_protobuf_show_the_same_event(cluster: Cluster) -> None:
    async def test(ask: Asker) -> None:
        await ask(NEW, "POST", new_event())
        cells = []
        for path in (CORE, NEW):
            table = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
            async with ask.session.get(path, headers=table) as response:
                found = await response.json()
            cells.append(found["rows"][0]["cells"][1:])
        assert cells[0] == cells[1]
        assert cells[0][:3] == ["Normal", "Moved", "pod/web"]
        async with ask.session.get(NEW + "/new", headers={"Accept": PROTOBUF}) as response:
            sent = await response.read()
        shown = decode(sent)
        assert isinstance(shown, dict)
        assert body(shown) == body(new_event())
        await ask(NEW + "/new", "DELETE")
        tried = {"params": {"dryRun": "All"}, "headers": {"Accept": PROTOBUF}}
        async with ask.session.post(NEW, json=new_event(), **tried) as response:
            unmade = await response.read()  # as a client written in Go sends it
        watch = {"params": {"watch": "1"}, "headers": {"Accept": f"{PROTOBUF};stream=watch"}}
        async with ask.session.get(NEW, **watch) as told:
            async with ask.session.post(NEW, data=unmade, headers={"Content-Type": PROTOBUF}) as response:
                assert response.status == 201
            size = int.from_bytes(await told.content.readexactly(4), "big")
            frame = await told.content.readexactly(size)
        assert b"ADDED" in frame
        assert b"events.k8s.io/v1" in frame
        assert b"from here to there" in frame
        assert (await ask(CORE + "/new"))["message"] == "from here to there"

    run(cluster, test)


def test_events_of_either_group_end_after_an_hour(cluster: Cluster) -> None:
    async def test(ask: Asker) -> None:
        await ask(NEW, "POST", new_event())
        now = time.time()
        await expire(ask.client, now)
        assert names(await ask(NEW)) == ["new"]  # it was written now, whenever it happened
        await expire(ask.client, now + EVENT_SECONDS + 10)
        assert names(await ask(NEW)) == []

    run(cluster, test)


def test_they_stay_across_a_restart(cluster: Cluster) -> None:
    async def made(ask: Asker) -> None:
        await ask(NEW, "POST", new_event())

    run(cluster, made)

    async def again() -> None:
        api = cluster.open()
        async with serving(api):
            (stored,) = api.store.items(("", "events"))
            assert stored.object.raw["apiVersion"] == "v1"

    asyncio.run(again())
