"""What `up` makes of objects that are there, by server-side apply and by the three-way merge."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from sealane.apiserver.local import LocalClient
from sealane.apiserver.server import start_api
from sealane.apiserver.storage.store import Store
from sealane.cluster.apply import LAST_APPLIED, Applied, apply, three_way, with_last_applied
from sealane.kube import kinds
from sealane.kube.manifests import kind_of
from sealane.kube.objects import Object

LEAF = st.one_of(st.integers(0, 3), st.text("ab", max_size=2), st.lists(st.integers(0, 2), max_size=2))
TREE = st.recursive(
    st.dictionaries(st.sampled_from("abc"), LEAF, max_size=3),
    lambda inner: st.dictionaries(st.sampled_from("abc"), st.one_of(LEAF, inner), max_size=3),
    max_leaves=8,
)


def merge(current: dict, patch: dict) -> dict:
    """RFC 7386, section 2."""
    result = dict(current)
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            result[key] = merge(result[key] if isinstance(result.get(key), dict) else {}, value)
        else:
            result[key] = value
    return result


@given(TREE, TREE)
def test_applying_the_next_manifest_gives_that_manifest(first: dict, second: dict) -> None:
    assert merge(first, three_way(first, second, first)) == second


def test_what_others_wrote_stays() -> None:
    current = {"spec": {"replicas": 3, "paused": True}, "status": {"ready": 1}}
    assert three_way({"spec": {"replicas": 2}}, {"spec": {"replicas": 2}}, current) == {"spec": {"replicas": 2}}
    assert three_way({}, {"spec": {"replicas": 3}}, current) == {}


def test_what_the_last_manifest_held_goes() -> None:
    before = {"metadata": {"labels": {"a": "1", "b": "2"}}}
    after = {"metadata": {"labels": {"a": "1"}}}
    assert three_way(before, after, before) == {"metadata": {"labels": {"b": None}}}


def test_defaults_inside_lists_are_no_difference() -> None:
    wanted = {"ports": [{"port": 80}]}
    assert three_way(wanted, wanted, {"ports": [{"port": 80, "protocol": "TCP"}]}) == {}
    assert three_way(wanted, {"ports": [{"port": 81}]}, wanted) == {"ports": [{"port": 81}]}


def on_an_api(folder: Path, play: Callable[[LocalClient], Awaitable[None]]) -> None:
    async def run() -> None:
        api = start_api(Store.open(folder / "api.db"))
        try:
            client = LocalClient(api)
            await client.create(kinds.NAMESPACE, {"metadata": {"name": "default"}})
            await play(client)
        finally:
            api.store.close()

    asyncio.run(run())


async def applied(client: LocalClient, *raws: dict) -> list[Object]:
    results = await apply(client, [Object(raw) for raw in raws], kind_of)
    assert all(isinstance(each, Applied) for each in results), results
    return [each.object for each in results]


def config(metadata: dict | None = None, **data: str) -> dict:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", **(metadata or {})}, "data": data}


def test_a_definition_larger_than_annotations_may_be_is_applied_twice(tmp_path: Path) -> None:
    words = {"type": "object", "description": "x" * 300_000}
    names = {"kind": "Lamp", "plural": "lamps", "singular": "lamp", "listKind": "LampList"}
    versions = [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": words}}]
    raw = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "lamps.example.com"},
        "spec": {"group": "example.com", "names": names, "scope": "Cluster", "versions": versions},
    }

    async def play(client: LocalClient) -> None:
        [first] = await applied(client, raw)
        [second] = await applied(client, raw)
        assert (first.uid, first.annotations) == (second.uid, {})

    on_an_api(tmp_path, play)


def test_what_a_manifest_no_longer_says_goes_and_what_others_say_stays(tmp_path: Path) -> None:
    async def play(client: LocalClient) -> None:
        await applied(client, config(x="1", y="1"))
        await client.patch(kinds.CONFIGMAP, "default", "a", {"data": {"z": "1"}})
        [found] = await applied(client, config(x="2"))
        assert found.raw["data"] == {"x": "2", "z": "1"}

    on_an_api(tmp_path, play)


def test_kubectl_and_up_take_turns(tmp_path: Path) -> None:
    async def play(client: LocalClient) -> None:
        await client.create(kinds.CONFIGMAP, with_last_applied(config(x="1", y="1", z="1")))
        [found] = await applied(client, config(x="1", y="1"))
        assert found.raw["data"] == {"x": "1", "y": "1"}
        assert (
            found.annotations
            == with_last_applied(config({"namespace": "default"}, x="1", y="1"))["metadata"]["annotations"]
        )
        [found] = await applied(client, config(x="1"))
        assert found.raw["data"] == {"x": "1"}

    on_an_api(tmp_path, play)


def test_manifests_that_kubectl_get_wrote(tmp_path: Path) -> None:
    async def play(client: LocalClient) -> None:
        [found] = await applied(client, config(x="1"))
        exported = {
            **found.raw,
            "metadata": {**found.metadata, "annotations": {LAST_APPLIED: "{}"}},
            "data": {"x": "2"},
        }
        [again] = await applied(client, {**exported, "metadata": {**exported["metadata"], "resourceVersion": "1"}})
        assert (again.uid, again.raw["data"], again.annotations) == (found.uid, {"x": "2"}, {})

    on_an_api(tmp_path, play)


def test_an_element_given_twice_is_merged(tmp_path: Path) -> None:
    env = [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}}
    spec = {"containers": [{"name": "main", "image": "nginx", "env": env}]}

    async def play(client: LocalClient) -> None:
        for label in ("x", "y"):
            metadata = {**pod["metadata"], "labels": {"app": label}}
            [found] = await applied(client, {**pod, "metadata": metadata, "spec": spec})
        assert found.labels == {"app": "y"}
        assert found.spec["containers"][0]["env"] == env

    on_an_api(tmp_path, play)
