"""APIServices: one for each group and version that is served, and no more."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from tests.unit.apiserver.test_changes import definition

from sealane.apiserver.followers.registrations import Registrations
from sealane.apiserver.local import LocalClient
from sealane.apiserver.server import start_api
from sealane.apiserver.storage.store import Store
from sealane.kube import kinds
from sealane.kube.objects import Raw


def play(path: Path, test: Callable[[LocalClient], Awaitable[None]]) -> None:
    async def inside() -> None:
        store = Store.open(path / "store.db")
        api = start_api(store)
        Registrations(api)
        await asyncio.wait_for(test(LocalClient(api)), 20)
        store.close()

    asyncio.run(inside())


async def found(client: LocalClient) -> dict[str, Raw]:
    await client.create(kinds.NAMESPACE, {"metadata": {"generateName": "n-"}})
    return {each.name: each.raw for each in (await client.list(kinds.APISERVICE)).items}


def test_every_group_and_version_has_one_that_is_available(tmp_path: Path) -> None:
    async def test(client: LocalClient) -> None:
        services = await found(client)
        assert services.keys() >= {f"{kind.version}.{kind.group}" for kind in kinds.BUILTIN}
        assert services["v1."]["spec"] == {"version": "v1", "groupPriorityMinimum": 18000, "versionPriority": 1}
        note = {"metadata": {"annotations": {"example.com/a": "b"}}}
        await client.patch(kinds.APISERVICE, "", "v1.", note)
        for each in services.values():
            assert [(one["type"], one["status"]) for one in each["status"]["conditions"]] == [("Available", "True")]

    play(tmp_path, test)
    play(tmp_path, test)


def test_a_server_of_metrics_that_is_installed_changes_nothing(tmp_path: Path) -> None:
    """`kubectl top` is answered here, so its APIService is available, also when it was deleted and made anew."""

    async def test(client: LocalClient) -> None:
        await client.delete(kinds.APISERVICE, "", "v1beta1.metrics.k8s.io")
        for group, available in (("metrics.k8s.io", "True"), ("external.metrics.k8s.io", "False")):
            service = {"name": "stand-in", "namespace": "default"}
            numbers = {"groupPriorityMinimum": 100, "versionPriority": 100}
            spec = {"group": group, "version": "v1beta1", "insecureSkipTLSVerify": True, "service": service, **numbers}
            made = await client.create(kinds.APISERVICE, {"metadata": {"name": f"v1beta1.{group}"}, "spec": spec})
            assert [each["status"] for each in made.raw["status"]["conditions"]] == [available]

    play(tmp_path, test)


def test_those_of_definitions_come_and_go(tmp_path: Path) -> None:
    async def test(client: LocalClient) -> None:
        await client.create(kinds.CRD, definition())
        while "v1.example.com" not in await found(client):
            await asyncio.sleep(0.01)
        await client.delete(kinds.CRD, "", "widgets.example.com")
        while "v1.example.com" in await found(client):
            await asyncio.sleep(0.01)

    play(tmp_path, test)
