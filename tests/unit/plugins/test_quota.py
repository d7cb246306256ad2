"""LimitRanger and ResourceQuota: what is filled in, what is refused, and what is said to be used."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealane.apiserver.api import Api
from sealane.apiserver.server import start_api
from sealane.apiserver.storage.store import Store
from sealane.kube import kinds
from sealane.kube.client.protocol import ApiError
from sealane.kube.kinds.pods.usage import pod_amounts
from sealane.kube.objects import Raw
from sealane.kube.quantities import text, thousandths

LIMITRANGE = next(kind for kind in kinds.BUILTIN if kind.kind == "LimitRange")


def pod(name: str, **resources: Any) -> Raw:
    container = {"name": "c", "image": "i:1", "resources": resources}
    return {"metadata": {"name": name}, "spec": {"containers": [container]}}


def play(folder: Path, talk: Callable[[Api], Coroutine[Any, Any, None]]) -> None:
    async def run() -> None:
        store = Store.open(folder / "store.db")
        try:
            api = start_api(store)
            await api.create(kinds.NAMESPACE, "", {"metadata": {"name": "n"}})
            await talk(api)
        finally:
            store.close()

    asyncio.run(run())


async def refused(api: Api, raw: Raw, kind: kinds.Kind = kinds.POD) -> str:
    with pytest.raises(ApiError) as caught:
        await api.create(kind, "n", raw)
    assert caught.value.code == 403
    return caught.value.message


@given(st.integers(0, 10**15), st.sampled_from(["1", "1Mi", "1k"]))
def test_amounts_are_written_as_they_are_read(amount: int, like: str) -> None:
    assert thousandths(text(amount, like)) == amount


def test_amounts_keep_their_sort_of_unit() -> None:
    assert text(thousandths("128Mi") * 12, "1Gi") == "1536Mi"
    assert text(thousandths("128Mi") * 8, "1Gi") == "1Gi"
    assert (text(1500), text(2_000_000), text(3000), text(0)) == ("1500m", "2k", "3", "0")


def test_a_pod_asks_for_its_containers_or_its_largest_init_container() -> None:
    def container(cpu: str, **more: Any) -> Raw:
        return {"resources": {"requests": {"cpu": cpu}}, **more}

    spec = {
        "initContainers": [container("100m", restartPolicy="Always"), container("2")],
        "containers": [container("500m"), container("250m")],
    }
    assert pod_amounts(spec, "requests") == {"cpu": "2100m"}


def test_limit_ranges_fill_in_and_bound(tmp_path: Path) -> None:
    async def talk(api: Api) -> None:
        limit = {
            "type": "Container",
            "default": {"cpu": "500m"},
            "defaultRequest": {"cpu": "100m"},
            "max": {"cpu": "1"},
            "min": {"cpu": "50m"},
        }
        await api.create(LIMITRANGE, "n", {"metadata": {"name": "l"}, "spec": {"limits": [limit]}})
        made = (await api.create(kinds.POD, "n", pod("p"))).object
        assert made.spec["containers"][0]["resources"] == {"requests": {"cpu": "100m"}, "limits": {"cpu": "500m"}}
        assert made.annotations["kubernetes.io/limit-ranger"] == (
            "LimitRanger plugin set: cpu request for container c; cpu limit for container c"
        )
        said = await refused(api, pod("q", limits={"cpu": "2"}))
        assert said == 'pods "q" is forbidden: maximum cpu usage per Container is 1, but limit is 2'
        said = await refused(api, pod("q", requests={"cpu": "10m"}, limits={"cpu": "1"}))
        assert said == 'pods "q" is forbidden: minimum cpu usage per Container is 50m, but request is 10m'

    play(tmp_path, talk)


async def quota(api: Api, **hard: str) -> None:
    names = {name.replace("_", "."): amount for name, amount in hard.items()}
    await api.create(kinds.RESOURCEQUOTA, "n", {"metadata": {"name": "q"}, "spec": {"hard": names}})


async def used(api: Api, **amounts: str) -> None:
    """Returns once the status says so."""
    wanted = {name.replace("_", "."): amount for name, amount in amounts.items()}
    async with asyncio.timeout(10):
        while True:
            found = (await api.get(kinds.RESOURCEQUOTA, "n", "q")).object.status.get("used")
            if found == wanted:
                return
            await asyncio.sleep(0.01)


def test_quotas_count_and_say_what_is_used(tmp_path: Path) -> None:
    async def talk(api: Api) -> None:
        await quota(api, pods="2", requests_memory="1Gi")
        memory = {"memory": "512Mi"}
        await api.create(kinds.POD, "n", pod("a", requests=memory))
        await used(api, pods="1", requests_memory="512Mi")
        assert await refused(api, pod("b", requests={"memory": "768Mi"})) == (
            'pods "b" is forbidden: exceeded quota: q, requested: requests.memory=768Mi, used: requests.memory=512Mi, '
            "limited: requests.memory=1Gi"
        )
        assert await refused(api, pod("b")) == (
            'pods "b" is forbidden: failed quota: q: must specify requests.memory for: c'
        )
        await api.create(kinds.POD, "n", pod("b", requests=memory))
        assert "requested: pods=1,requests.memory=512Mi, used: pods=2,requests.memory=1Gi" in await refused(
            api, pod("c", requests=memory)
        )
        await api.delete(kinds.POD, "n", "a")
        await used(api, pods="1", requests_memory="512Mi")
        await api.create(kinds.POD, "n", pod("c", requests=memory))

    play(tmp_path, talk)


def test_objects_are_counted_by_their_own_name(tmp_path: Path) -> None:
    async def talk(api: Api) -> None:
        await quota(api, replicationcontrollers="1", configmaps="3")
        template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "nginx"}]}}
        web = {"metadata": {"name": "web"}, "spec": {"template": template}}
        await api.create(kinds.REPLICATIONCONTROLLER, "n", web)
        await used(api, replicationcontrollers="1", configmaps="0")
        with pytest.raises(ApiError, match="requested: replicationcontrollers=1, used: replicationcontrollers=1"):
            await api.create(kinds.REPLICATIONCONTROLLER, "n", {**web, "metadata": {"name": "more"}})

    play(tmp_path, talk)


def test_two_at_once_do_not_share_the_last_place(tmp_path: Path) -> None:
    async def talk(api: Api) -> None:
        await quota(api, **{"count/configmaps": "3"})  # kube-root-ca.crt is not here: this API has no CA
        results = await asyncio.gather(
            *(api.create(kinds.CONFIGMAP, "n", {"metadata": {"name": f"c{number}"}}) for number in range(8)),
            return_exceptions=True,
        )
        assert sum(isinstance(each, ApiError) for each in results) == 5

    play(tmp_path, talk)


def test_services_and_scopes(tmp_path: Path) -> None:
    async def talk(api: Api) -> None:
        hard = {"services.nodeports": "1", "services": "5"}
        await api.create(kinds.RESOURCEQUOTA, "n", {"metadata": {"name": "q"}, "spec": {"hard": hard}})
        spec = {"type": "NodePort", "selector": {"a": "b"}, "ports": [{"port": 80}]}
        await api.create(kinds.SERVICE, "n", {"metadata": {"name": "s"}, "spec": spec})
        said = await refused(api, {"metadata": {"name": "t"}, "spec": spec}, kinds.SERVICE)
        assert "exceeded quota: q, requested: services.nodeports=1, used: services.nodeports=1" in said
        best = {"hard": {"pods": "0"}, "scopes": ["BestEffort"]}
        await api.create(kinds.RESOURCEQUOTA, "n", {"metadata": {"name": "best"}, "spec": best})
        assert "exceeded quota: best" in await refused(api, pod("p"))
        await api.create(kinds.POD, "n", pod("p", requests={"cpu": "1"}))

    play(tmp_path, talk)
