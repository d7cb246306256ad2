"""Any sequence of requests means the same over HTTP, in process, and in a plain dict; a watch tells it all."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.apiserver.serving import over_http

from sealane.apiserver.local import LocalClient
from sealane.apiserver.server import start_api
from sealane.apiserver.storage.store import Store
from sealane.kube import kinds
from sealane.kube.client.protocol import ApiError, Client
from sealane.kube.objects import Object, Raw

NAMES = ("a", "b", "c")


@dataclass(frozen=True)
class Step:
    verb: str
    name: str
    data: dict[str, str] = field(default_factory=dict)
    stale: bool = False
    finalizers: tuple[str, ...] = ()


STEPS = st.builds(
    Step,
    st.sampled_from(["create", "update", "patch", "delete", "get", "release"]),
    st.sampled_from(NAMES),
    st.dictionaries(st.sampled_from(["x", "y"]), st.sampled_from(["1", "2"]), max_size=2),
    st.booleans(),
    st.sampled_from([(), ("example.com/wait",)]),
)


class Model:
    """What the API documentation says, for ConfigMaps in one namespace."""

    def __init__(self) -> None:
        self.objects: dict[str, Raw] = {}

    def apply(self, step: Step) -> Any:
        found = self.objects.get(step.name)
        if step.verb == "create":
            if found is not None:
                return 409, "AlreadyExists"
            self.objects[step.name] = {"data": step.data, "finalizers": step.finalizers, "deleting": False}
            return step.data
        if found is None:
            return 404, "NotFound"
        if step.verb == "get":
            return found["data"]
        if step.verb == "update":
            if step.stale:
                return 409, "Conflict"
            found["data"] = step.data
            return step.data
        if step.verb == "patch":
            found["data"] = {**found["data"], **step.data}
            return found["data"]
        if step.verb == "release":
            found["finalizers"] = ()
            if found["deleting"]:
                del self.objects[step.name]
            return found["data"]
        found["deleting"] = True
        if not found["finalizers"]:
            del self.objects[step.name]
        return None


async def perform(client: Client, step: Step) -> Any:
    try:
        return await _perform(client, step)
    except ApiError as error:
        return error.code, error.reason


async def _perform(client: Client, step: Step) -> Any:
    kind, name = kinds.CONFIGMAP, step.name
    match step.verb:
        case "create":
            metadata: Raw = {"name": name, "namespace": "default"}
            if step.finalizers:
                metadata["finalizers"] = list(step.finalizers)
            return (await client.create(kind, {"metadata": metadata, "data": step.data})).raw["data"]
        case "get":
            return (await client.get(kind, "default", name)).raw.get("data", {})
        case "update":
            raw = (await client.get(kind, "default", name)).raw
            version = "1" if step.stale else raw["metadata"]["resourceVersion"]
            raw = {**raw, "data": step.data, "metadata": {**raw["metadata"], "resourceVersion": version}}
            return (await client.update(kind, raw)).raw["data"]
        case "patch":
            return (await client.patch(kind, "default", name, {"data": step.data})).raw["data"]
        case "release":
            patch = {"metadata": {"finalizers": None}}
            return (await client.patch(kind, "default", name, patch)).raw["data"]
        case _:
            await client.delete(kind, "default", name)
            return None


async def follow(client: Client, version: str, seen: dict[str, Raw]) -> None:
    async for batch in client.watch(kinds.CONFIGMAP, "default", resource_version=version):
        for event in batch:
            if event.type == "DELETED":
                assert seen.pop(event.object.name)
            elif event.type != "BOOKMARK":
                assert (event.type == "ADDED") is (event.object.name not in seen)
                seen[event.object.name] = event.object.raw


async def same_state(client: Client, seen: dict[str, Raw]) -> dict[str, Raw]:
    """Waits until a watch has told what a list says."""
    listed = {item.name: item.raw for item in (await client.list(kinds.CONFIGMAP, "default")).items}
    while seen != listed:
        await asyncio.sleep(0.001)
    return listed


def shape(objects: dict[str, Raw]) -> dict[str, Any]:
    return {name: (raw.get("data", {}), "deletionTimestamp" in raw["metadata"]) for name, raw in objects.items()}


@settings(max_examples=40, deadline=None)
@given(st.lists(STEPS, max_size=25))
def test_http_process_and_dict_agree(steps: list[Step]) -> None:
    async def run(folder: Path) -> None:
        apis = [start_api(Store.open(folder / f"{number}.db")) for number in range(2)]
        local, model = LocalClient(apis[0]), Model()
        async with over_http(apis[1]) as remote:
            clients: list[Client] = [local, remote]
            followers: list[tuple[asyncio.Task[None], dict[str, Raw]]] = []
            for client in clients:
                await client.create(kinds.NAMESPACE, {"metadata": {"name": "default"}})
                version = (await client.list(kinds.CONFIGMAP, "default")).resource_version
                seen: dict[str, Raw] = {}
                followers.append((asyncio.create_task(follow(client, version, seen)), seen))
            for step in steps:
                expected = model.apply(step)
                for client in clients:
                    assert await perform(client, step) == expected, step
            want = {name: (found["data"], found["deleting"]) for name, found in model.objects.items()}
            for client, (task, told) in zip(clients, followers, strict=True):
                state = asyncio.create_task(same_state(client, told))
                done, _ = await asyncio.wait([state, task], timeout=5, return_when=asyncio.FIRST_COMPLETED)
                assert done == {state}, (shape(told), want)
                assert shape(state.result()) == want
            for task, _ in followers:
                task.cancel()
            await asyncio.gather(*(task for task, _ in followers), return_exceptions=True)
        for api in apis:
            api.store.close()
        await same_after_restart(folder / "1.db", want)

    with TemporaryDirectory() as folder:
        asyncio.run(run(Path(folder)))


async def same_after_restart(path: Path, want: dict[str, Any]) -> None:
    store = Store.open(path)
    found: dict[str, Object] = {each.object.name: each.object for each in store.items(("", "configmaps"))}
    assert shape({name: item.raw for name, item in found.items()}) == want
    store.close()
