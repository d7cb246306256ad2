"""What the options of `up` make of the objects of manifests."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from sealane.apiserver.local import LocalClient
from sealane.apiserver.server import start_api
from sealane.apiserver.storage.store import Store
from sealane.cli.taking import with_classes, with_namespace
from sealane.kube import kinds
from sealane.kube.objects import Object
from sealane.network.routes.classes import INGRESS_CONTROLLER, served_here


def on_an_api(folder: Path, play: Callable[[LocalClient], Awaitable[None]]) -> None:
    async def run() -> None:
        api = start_api(Store.open(folder / "api.db"))
        try:
            await play(LocalClient(api))
        finally:
            api.store.close()

    asyncio.run(run())


def test_the_namespace_of_up_is_made_once(tmp_path: Path) -> None:
    config = Object({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "shop"}})

    async def play(client: LocalClient) -> None:
        made = await with_namespace(client, [config], "shop")
        assert [str(each.key) for each in made] == ["Namespace shop", "ConfigMap shop/a"]
        assert await with_namespace(client, made, "shop") == made
        await client.create(kinds.NAMESPACE, made[0].raw)
        assert await with_namespace(client, [config], "shop") == [config]

    on_an_api(tmp_path, play)


def gateway_class(name: str, **annotations: str) -> Object:
    api = "gateway.networking.k8s.io/v1"
    metadata = {"name": name, "annotations": annotations}
    spec = {"controllerName": "example.com/other"}
    return Object({"apiVersion": api, "kind": "GatewayClass", "metadata": metadata, "spec": spec})


def test_named_classes_are_served(tmp_path: Path) -> None:
    async def play(client: LocalClient) -> None:
        foreign = {"metadata": {"name": "nginx"}, "spec": {"controller": "k8s.io/ingress-nginx"}}
        await client.create(kinds.INGRESSCLASS, foreign)
        given = [gateway_class("istio", a="b"), gateway_class("other")]
        made = await with_classes(client, given, ["istio"], ["nginx", "kong"])
        assert [str(each.key) for each in made] == ["GatewayClass istio", "GatewayClass other", "IngressClass kong"]
        assert [served_here(each, INGRESS_CONTROLLER) for each in made] == [True, False, True]
        assert made[0].annotations["a"] == "b"
        assert served_here(await client.get(kinds.INGRESSCLASS, "", "nginx"), INGRESS_CONTROLLER)

    on_an_api(tmp_path, play)
