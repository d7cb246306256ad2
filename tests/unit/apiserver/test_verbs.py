"""The verbs, through the client in process."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.unit.apiserver.conftest import Cluster

from sealane.apiserver.local import LocalClient
from sealane.kube import kinds
from sealane.kube.client.protocol import ApiError, WatchEvent
from sealane.kube.objects import Raw


def configmap(name: str, **data: str) -> Raw:
    return {"metadata": {"name": name, "namespace": "default"}, "data": data}


def pod(name: str, node: str = "") -> Raw:
    spec: dict[str, Any] = {"containers": [{"name": "c", "image": "nginx"}]}
    if node:
        spec["nodeName"] = node
    return {"metadata": {"name": name, "namespace": "default"}, "spec": spec}


def run(cluster: Cluster, test: Callable[[LocalClient], Awaitable[None]]) -> None:
    async def inside() -> None:
        async with cluster.client() as client:
            await asyncio.wait_for(test(client), 60)

    asyncio.run(inside())


def test_an_object_is_there_once_created_and_gone_once_deleted(cluster: Cluster) -> None:
    async def test(client: LocalClient) -> None:
        made = await client.create(kinds.CONFIGMAP, configmap("a", x="1"))
        assert made.uid
        assert made.metadata["creationTimestamp"]
        assert (await client.get(kinds.CONFIGMAP, "default", "a")).raw == made.raw
        with pytest.raises(ApiError, match='configmaps "a" already exists'):
            await client.create(kinds.CONFIGMAP, configmap("a"))
        await client.delete(kinds.CONFIGMAP, "default", "a")
        with pytest.raises(ApiError, match='configmaps "a" not found') as refused:
            await client.get(kinds.CONFIGMAP, "default", "a")
        assert refused.value.code == 404

    run(cluster, test)


def test_a_write_based_on_an_old_version_is_refused(cluster: Cluster) -> None:
    async def test(client: LocalClient) -> None:
        made = await client.create(kinds.CONFIGMAP, configmap("a", x="1"))
        await client.update(kinds.CONFIGMAP, {**made.raw, "data": {"x": "2"}})
        with pytest.raises(ApiError, match='on configmaps "a": the object has been modified') as refused:
            await client.update(kinds.CONFIGMAP, {**made.raw, "data": {"x": "3"}})
        assert (refused.value.code, refused.value.reason) == (409, "Conflict")
        assert (await client.get(kinds.CONFIGMAP, "default", "a")).raw["data"] == {"x": "2"}

    run(cluster, test)


def test_of_writers_at_once_one_wins(cluster: Cluster) -> None:
    async def test(client: LocalClient) -> None:
        tries = [client.create(kinds.CONFIGMAP, configmap("a", by=str(i))) for i in range(8)]
        results = await asyncio.gather(*tries, return_exceptions=True)
        assert sum(not isinstance(result, BaseException) for result in results) == 1
        assert (await client.get(kinds.CONFIGMAP, "default", "a")).raw["data"] == {"by": "0"}

    run(cluster, test)


def test_generations_count_changes_of_the_spec_only(cluster: Cluster) -> None:
    async def test(client: LocalClient) -> None:
        spec = {"replicas": 1, "selector": {"matchLabels": {"a": "b"}}}
        template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
        raw = {"metadata": {"name": "web", "namespace": "default"}, "spec": {**spec, "template": template}}
        made = await client.create(kinds.DEPLOYMENT, raw)
        assert made.metadata["generation"] == 1
        labelled = await client.patch(kinds.DEPLOYMENT, "default", "web", {"metadata": {"labels": {"x": "y"}}})
        assert labelled.metadata["generation"] == 1
        scaled = await client.patch(kinds.DEPLOYMENT, "default", "web", {"spec": {"replicas": 2}})
        assert scaled.metadata["generation"] == 2
        status = {"status": {"replicas": 2}, "spec": {"replicas": 9}}
        done = await client.patch(kinds.DEPLOYMENT, "default", "web", status, subresource="status")
        assert done.metadata["generation"] == 2
        assert (done.spec["replicas"], done.status["replicas"]) == (2, 2)
        kept = await client.patch(kinds.DEPLOYMENT, "default", "web", {"status": {"replicas": 7}})
        assert kept.status["replicas"] == 2

    run(cluster, test)


def test_a_write_that_changes_nothing_makes_no_version(cluster: Cluster) -> None:
    async def test(client: LocalClient) -> None:
        made = await client.create(kinds.CONFIGMAP, configmap("a", x="1"))
        again = await client.patch(kinds.CONFIGMAP, "default", "a", {"data": {"x": "1"}})
        assert again.resource_version == made.resource_version

    run(cluster, test)


def test_generate_name(cluster: Cluster) -> None:
    async def test(client: LocalClient) -> None:
        raw = {"metadata": {"generateName": "web-", "namespace": "default"}}
        names = {(await client.create(kinds.CONFIGMAP, raw)).name for _ in range(20)}
        assert len(names) == 20
        assert all(name.startswith("web-") and len(name) == 9 for name in names)

    run(cluster, test)


@pytest.mark.parametrize(
    ("raw", "code", "message"),
    [
        ({"metadata": {"namespace": "default"}}, 422, "name or generateName is required"),
        ({"metadata": {"name": "Upper", "namespace": "default"}}, 422, "a lowercase RFC 1123 subdomain must consist"),
        ({"metadata": {"name": "x", "namespace": "nowhere"}}, 404, 'namespaces "nowhere" not found'),
        ({"metadata": {"name": 7, "namespace": "default"}}, 400, r"Expected `str \| null`, got `int`"),
        ({"metadata": "no", "kind": "ConfigMap"}, 400, "Expected `object"),
        ({"metadata": {"name": "x"}, "kind": "Secret", "apiVersion": "v1"}, 400, "the object provided is a v1 Secret"),
        ({"metadata": {"name": "x", "resourceVersion": "7"}}, 400, "resourceVersion should not be set"),
    ],
)
def test_bad_objects_are_refused(cluster: Cluster, raw: Raw, code: int, message: str) -> None:
    async def test(client: LocalClient) -> None:
        api = client._api
        metadata = raw["metadata"] if isinstance(raw["metadata"], dict) else {}
        with pytest.raises(ApiError, match=message) as refused:
            await api.create(kinds.CONFIGMAP, metadata.get("namespace", "default"), raw)
        assert refused.value.code == code

    run(cluster, test)


def test_a_pod_on_a_node_gets_its_grace_period(cluster: Cluster) -> None:
    async def test(client: LocalClient) -> None:
        await client.create(kinds.POD, pod("running", "node-1"))
        await client.create(kinds.POD, pod("waiting"))
        for name in ("running", "waiting"):
            await client.delete(kinds.POD, "default", name)
        with pytest.raises(ApiError, match="not found"):
            await client.get(kinds.POD, "default", "waiting")
        marked = await client.get(kinds.POD, "default", "running")
        assert marked.deleting
        assert marked.metadata["deletionGracePeriodSeconds"] == 30
        await client.delete(kinds.POD, "default", "running")  # asking again changes nothing
        assert (await client.get(kinds.POD, "default", "running")).resource_version == marked.resource_version
        await client.delete(kinds.POD, "default", "running", grace_seconds=0)
        with pytest.raises(ApiError, match="not found"):
            await client.get(kinds.POD, "default", "running")

    run(cluster, test)


def test_finalizers_hold_an_object_until_they_are_gone(cluster: Cluster) -> None:
    async def test(client: LocalClient) -> None:
        raw = configmap("a")
        raw["metadata"]["finalizers"] = ["example.com/hold"]
        await client.create(kinds.CONFIGMAP, raw)
        await client.delete(kinds.CONFIGMAP, "default", "a")
        assert (await client.get(kinds.CONFIGMAP, "default", "a")).deleting
        await client.patch(kinds.CONFIGMAP, "default", "a", {"metadata": {"finalizers": None}})
        with pytest.raises(ApiError, match="not found"):
            await client.get(kinds.CONFIGMAP, "default", "a")

    run(cluster, test)


def test_selectors(cluster: Cluster) -> None:
    async def test(client: LocalClient) -> None:
        for name, labels, node in (
            ("a", {"app": "web"}, "n1"),
            ("b", {"app": "web"}, "n2"),
            ("c", {"app": "db"}, "n1"),
        ):
            raw = pod(name, node)
            raw["metadata"]["labels"] = labels
            await client.create(kinds.POD, raw)

        async def names(**selectors: str) -> list[str]:
            return [item.name for item in (await client.list(kinds.POD, **selectors)).items]

        assert await names() == ["a", "b", "c"]
        assert await names(labels="app=web") == ["a", "b"]
        assert await names(labels="app in (web,x),app") == ["a", "b"]
        assert await names(fields="spec.nodeName=n1,metadata.name!=a") == ["c"]
        assert await names(namespace="other") == []
        with pytest.raises(ApiError, match=r"field label not supported: spec\.colour"):
            await names(fields="spec.colour=red")

    run(cluster, test)


def test_a_watch_tells_what_enters_and_leaves_its_selection(cluster: Cluster) -> None:
    async def test(client: LocalClient) -> None:
        start = (await client.list(kinds.CONFIGMAP)).resource_version
        events: list[WatchEvent] = []

        async def follow() -> None:
            async for batch in client.watch(kinds.CONFIGMAP, "default", resource_version=start, labels="a=1"):
                events.extend(batch)
                if len(events) == 4:
                    return

        following = asyncio.create_task(follow())
        await client.create(kinds.CONFIGMAP, configmap("c"))
        await client.patch(kinds.CONFIGMAP, "default", "c", {"metadata": {"labels": {"a": "1"}}})
        await client.patch(kinds.CONFIGMAP, "default", "c", {"data": {"x": "y"}})
        await client.patch(kinds.CONFIGMAP, "default", "c", {"metadata": {"labels": {"a": "2"}}})
        await client.patch(kinds.CONFIGMAP, "default", "c", {"metadata": {"labels": {"a": "1"}}})
        await following
        assert [event.type for event in events] == ["ADDED", "MODIFIED", "DELETED", "ADDED"]
        versions = [int(event.object.resource_version) for event in events]
        assert versions == sorted(set(versions))

    run(cluster, test)


def test_a_watch_replays_what_was_missed_and_refuses_what_is_too_old(cluster: Cluster) -> None:
    async def first(client: LocalClient) -> None:
        start = (await client.list(kinds.CONFIGMAP)).resource_version
        await client.create(kinds.CONFIGMAP, configmap("a"))
        await client.delete(kinds.CONFIGMAP, "default", "a")
        async for batch in client.watch(kinds.CONFIGMAP, resource_version=start):
            assert [event.type for event in batch] == ["ADDED", "DELETED"]
            break

    async def second(client: LocalClient) -> None:
        assert int((await client.list(kinds.CONFIGMAP)).resource_version) >= 3
        with pytest.raises(ApiError, match="too old resource version") as refused:
            async for _ in client.watch(kinds.CONFIGMAP, resource_version="1"):
                pass
        assert refused.value.code == 410

    run(cluster, first)
    run(cluster, second)
