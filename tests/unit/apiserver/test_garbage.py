"""Ownership and what is inside: garbage collection, namespaces, definitions."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.unit.apiserver.conftest import Cluster
from tests.unit.apiserver.test_verbs import configmap, pod, run

from sealane.apiserver.api import Api
from sealane.apiserver.local import LocalClient
from sealane.apiserver.storage.store import Store
from sealane.kube import kinds
from sealane.kube.client.protocol import ApiError
from sealane.kube.kinds import Kind
from sealane.kube.objects import Object, Raw


async def until(check: Callable[[], Awaitable[bool]]) -> None:
    for _ in range(10_000):  # a loaded machine is slow
        if await check():
            return
        await asyncio.sleep(0.002)
    raise AssertionError("it never came true")


async def names(client: LocalClient, kind: Kind = kinds.CONFIGMAP, namespace: str = "default") -> set[str]:
    return {item.name for item in (await client.list(kind, namespace)).items} - {"kube-root-ca.crt"}


def owned(name: str, *owners: Object, block: bool = False) -> Raw:
    raw = configmap(name)
    raw["metadata"]["ownerReferences"] = [
        {
            "apiVersion": "v1",
            "kind": owner.kind,
            "name": owner.name,
            "uid": owner.uid,
            **({"blockOwnerDeletion": True} if block else {}),
        }
        for owner in owners
    ]
    return raw


def test_dependents_go_after_their_last_owner_and_theirs_too(cluster: Cluster) -> None:
    async def test(client: LocalClient) -> None:
        one = await client.create(kinds.CONFIGMAP, configmap("one"))
        two = await client.create(kinds.CONFIGMAP, configmap("two"))
        child = await client.create(kinds.CONFIGMAP, owned("child", one))
        await client.create(kinds.CONFIGMAP, owned("grandchild", child))
        await client.create(kinds.CONFIGMAP, owned("both", one, two))
        await client.delete(kinds.CONFIGMAP, "default", "one")

        async def settled() -> bool:
            return await names(client) == {"two", "both"}

        await until(settled)
        both = await client.get(kinds.CONFIGMAP, "default", "both")
        assert [owner["name"] for owner in both.metadata["ownerReferences"]] == ["two"]

    run(cluster, test)


def test_orphans_stay(cluster: Cluster) -> None:
    async def test(client: LocalClient) -> None:
        one = await client.create(kinds.CONFIGMAP, configmap("one"))
        await client.create(kinds.CONFIGMAP, owned("child", one))
        await client.delete(kinds.CONFIGMAP, "default", "one", propagation="Orphan")

        async def settled() -> bool:
            return await names(client) == {"child"}

        await until(settled)
        assert "ownerReferences" not in (await client.get(kinds.CONFIGMAP, "default", "child")).metadata

    run(cluster, test)


def test_in_the_foreground_the_owner_waits_for_those_that_block_it(cluster: Cluster) -> None:
    async def test(client: LocalClient) -> None:
        one = await client.create(kinds.CONFIGMAP, configmap("one"))
        raw = owned("child", one, block=True)
        raw["metadata"]["finalizers"] = ["example.com/hold"]
        await client.create(kinds.CONFIGMAP, raw)
        await client.delete(kinds.CONFIGMAP, "default", "one", propagation="Foreground")

        async def child_marked() -> bool:
            return (await client.get(kinds.CONFIGMAP, "default", "child")).deleting

        await until(child_marked)
        assert (await client.get(kinds.CONFIGMAP, "default", "one")).deleting
        await client.patch(kinds.CONFIGMAP, "default", "child", {"metadata": {"finalizers": None}})

        async def settled() -> bool:
            return await names(client) == set()

        await until(settled)

    run(cluster, test)


def test_who_names_an_owner_that_is_gone_goes(cluster: Cluster) -> None:
    async def test(client: LocalClient) -> None:
        one = await client.create(kinds.CONFIGMAP, configmap("one"))
        await client.delete(kinds.CONFIGMAP, "default", "one")
        await client.create(kinds.CONFIGMAP, owned("late", one))

        async def settled() -> bool:
            return await names(client) == set()

        await until(settled)

    run(cluster, test)


def test_what_a_crash_left_is_collected_at_the_next_start(cluster: Cluster) -> None:
    async def first() -> None:
        """The owner goes, and nothing follows."""
        store = Store.open(cluster.path)
        client = LocalClient(Api(store))
        await client.create(kinds.NAMESPACE, {"metadata": {"name": "default"}})
        one = await client.create(kinds.CONFIGMAP, configmap("one"))
        await client.create(kinds.CONFIGMAP, owned("child", one))
        await client.delete(kinds.CONFIGMAP, "default", "one")
        assert await names(client) == {"child"}
        store.close()

    async def second(client: LocalClient) -> None:
        async def settled() -> bool:
            return await names(client) == set()

        await until(settled)

    asyncio.run(first())
    run(cluster, second)


def test_a_namespace_takes_what_is_in_it_along(cluster: Cluster) -> None:
    async def test(client: LocalClient) -> None:
        made = await client.create(kinds.NAMESPACE, {"metadata": {"name": "shop"}})
        assert made.labels == {"kubernetes.io/metadata.name": "shop"}
        assert made.status == {"phase": "Active"}
        assert await names(client, kinds.SERVICEACCOUNT, "shop") == {"default"}
        raw = pod("web", "node-1")
        raw["metadata"]["namespace"] = "shop"
        await client.create(kinds.POD, raw)
        await client.delete(kinds.NAMESPACE, "", "shop")
        going = await client.get(kinds.NAMESPACE, "", "shop")
        assert going.status["phase"] == "Terminating"
        with pytest.raises(ApiError, match="because it is being terminated") as refused:
            await client.create(kinds.CONFIGMAP, {"metadata": {"name": "late", "namespace": "shop"}})
        assert refused.value.code == 403

        async def only_the_pod() -> bool:
            marked = (await client.get(kinds.POD, "shop", "web")).deleting
            return marked and not await names(client, kinds.SERVICEACCOUNT, "shop")

        await until(only_the_pod)
        pods = "Some resources are remaining: pods. has 1 resource instances"

        async def waits_for_the_pod() -> bool:
            waiting = await client.get(kinds.NAMESPACE, "", "shop")
            said = {each["type"]: each["message"] for each in waiting.status.get("conditions") or ()}
            return said.get("NamespaceContentRemaining") == pods

        await until(waits_for_the_pod)
        await client.delete(kinds.POD, "shop", "web", grace_seconds=0)

        async def gone() -> bool:
            return "shop" not in await names(client, kinds.NAMESPACE, "")

        await until(gone)

    run(cluster, test)


def test_the_default_service_account_comes_back(cluster: Cluster) -> None:
    async def test(client: LocalClient) -> None:
        await client.delete(kinds.SERVICEACCOUNT, "default", "default")

        async def back() -> bool:
            return await names(client, kinds.SERVICEACCOUNT) == {"default"}

        await until(back)

    run(cluster, test)


def widgets() -> Raw:
    schema: dict[str, Any] = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    version = {"name": "v1", "served": True, "storage": True, "schema": schema, "subresources": {"status": {}}}
    return {
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": "widgets", "kind": "Widget", "shortNames": ["wd"]},
            "versions": [version, {**version, "name": "v1beta1", "storage": False}],
        },
    }


WIDGET = Kind("example.com", "v1", "Widget", "widgets")
OLD_WIDGET = Kind("example.com", "v1beta1", "Widget", "widgets")


def test_a_definition_serves_its_kind_in_each_version_and_takes_it_along(cluster: Cluster) -> None:
    async def test(client: LocalClient) -> None:
        raw = {"metadata": {"name": "w", "namespace": "default"}, "spec": {"size": 1}, "status": {"no": "way"}}
        with pytest.raises(ApiError, match="could not find the requested resource"):
            await client.create(WIDGET, raw)
        crd = await client.create(kinds.CRD, widgets())
        assert {"Established", "NamesAccepted"} == {each["type"] for each in crd.status["conditions"]}
        made = await client.create(OLD_WIDGET, raw)
        assert made.raw["apiVersion"] == "example.com/v1beta1"
        assert made.status == {}
        found = await client.get(WIDGET, "default", "w")
        assert (found.raw["apiVersion"], found.spec) == ("example.com/v1", {"size": 1})
        await client.delete(kinds.CRD, "", "widgets.example.com")

        async def gone() -> bool:
            return not (await client.list(kinds.CRD)).items

        await until(gone)
        with pytest.raises(ApiError, match="could not find the requested resource"):
            await client.list(WIDGET)

    run(cluster, test)


def test_scale_and_binding(cluster: Cluster) -> None:
    async def test(client: LocalClient) -> None:
        spec = {"replicas": 1, "selector": {"matchLabels": {"a": "b"}}}
        template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
        raw = {"metadata": {"name": "web", "namespace": "default"}, "spec": {**spec, "template": template}}
        await client.create(kinds.DEPLOYMENT, raw)
        scale = await client.patch(kinds.DEPLOYMENT, "default", "web", {"spec": {"replicas": 3}}, subresource="scale")
        assert (scale.kind, scale.spec) == ("Scale", {"replicas": 3})
        assert scale.status["selector"] == "a=b"
        assert (await client.get(kinds.DEPLOYMENT, "default", "web")).metadata["generation"] == 2
        with pytest.raises(ApiError, match="must be greater than or equal to 0"):
            await client.patch(kinds.DEPLOYMENT, "default", "web", {"spec": {"replicas": -1}}, subresource="scale")

        await client.create(kinds.POD, pod("web"))
        api = client._api
        await api.bind("default", "web", {"target": {"kind": "Node", "name": "node-2"}})
        bound = await client.get(kinds.POD, "default", "web")
        assert bound.spec["nodeName"] == "node-2"
        assert bound.status["conditions"][0]["type"] == "PodScheduled"
        with pytest.raises(ApiError, match='already assigned to node "node-2"'):
            await api.bind("default", "web", {"target": {"name": "node-1"}})

    run(cluster, test)


def test_an_owner_of_a_kind_that_nobody_serves_is_never_absent(cluster: Cluster) -> None:
    async def test(client: LocalClient) -> None:
        kept, gone = configmap("kept"), configmap("gone")
        owner = {"apiVersion": "example.org/v1", "kind": "Certificate", "name": "c", "uid": "1"}
        kept["metadata"]["ownerReferences"] = [owner]
        gone["metadata"]["ownerReferences"] = [{**owner, "apiVersion": "v1", "kind": "Secret", "uid": "2"}]
        await client.create(kinds.CONFIGMAP, kept)
        await client.create(kinds.CONFIGMAP, gone)

        async def settled() -> bool:
            return await names(client) == {"kept"}

        await until(settled)
        await client.create(kinds.CRD, certificates())  # now its objects can be missed

        async def missed() -> bool:
            return await names(client) == set()

        await until(missed)

    run(cluster, test)


def certificates() -> Raw:
    schema = {"openAPIV3Schema": {"type": "object"}}
    return {
        "metadata": {"name": "certificates.example.org"},
        "spec": {
            "group": "example.org",
            "scope": "Namespaced",
            "names": {"plural": "certificates", "kind": "Certificate"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
        },
    }


def test_an_owner_elsewhere_is_absent_and_an_event_says_so(cluster: Cluster) -> None:
    async def test(client: LocalClient) -> None:
        await client.create(kinds.NAMESPACE, {"metadata": {"name": "other"}})
        elsewhere = configmap("one")
        elsewhere["metadata"]["namespace"] = "other"
        one = await client.create(kinds.CONFIGMAP, elsewhere)
        await client.create(kinds.CONFIGMAP, owned("child", one))

        async def settled() -> bool:
            return await names(client) == set()

        await until(settled)
        said = [each.raw for each in (await client.list(kinds.EVENT, "default")).items]
        assert [each["reason"] for each in said] == ["OwnerRefInvalidNamespace"]
        where = f"[v1/ConfigMap, namespace: default, name: one, uid: {one.uid}]"
        assert said[0]["message"] == f'ownerRef {where} does not exist in namespace "default"'

    run(cluster, test)


def test_a_cluster_scoped_dependent_of_a_namespaced_owner_stays(cluster: Cluster) -> None:
    async def test(client: LocalClient) -> None:
        one = await client.create(kinds.CONFIGMAP, configmap("one"))
        of_one = {"apiVersion": "v1", "kind": "ConfigMap", "name": "one", "uid": one.uid}
        metadata = {"name": "stays", "ownerReferences": [of_one]}
        await client.create(kinds.NAMESPACE, {"metadata": metadata})
        await client.create(kinds.CONFIGMAP, owned("child", one))
        await client.delete(kinds.CONFIGMAP, "default", "one")

        async def settled() -> bool:
            return await names(client) == set()

        await until(settled)
        assert not (await client.get(kinds.NAMESPACE, "", "stays")).deleting

    run(cluster, test)


def test_a_namespace_that_hangs_says_why(cluster: Cluster) -> None:
    async def test(client: LocalClient) -> None:
        await client.create(kinds.NAMESPACE, {"metadata": {"name": "shop"}})
        metadata = {"name": "held", "namespace": "shop", "finalizers": ["example.com/hold"]}
        await client.create(kinds.CONFIGMAP, {"metadata": metadata})
        await client.delete(kinds.NAMESPACE, "", "shop")

        async def said() -> bool:
            found = (await client.get(kinds.NAMESPACE, "", "shop")).status.get("conditions") or ()
            held = "Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances"
            return held in [each["message"] for each in found]

        await until(said)

    run(cluster, test)
