"""ServiceCIDR and IPAddress on the real API in process."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from sealane.apiserver.addresses.ranges import IN_USE, default_cidr
from sealane.apiserver.local import LocalClient
from sealane.apiserver.server import start_api
from sealane.apiserver.storage.store import Store
from sealane.kube.client.protocol import ApiError
from sealane.kube.kinds import IPADDRESS, NAMESPACE, SERVICE, SERVICECIDR
from sealane.kube.kinds.services.ranges import FINALIZER

Scenario = Callable[[LocalClient], Awaitable[None]]


def play(tmp_path: Path, scenario: Scenario) -> None:
    async def run() -> None:
        store = Store.open(tmp_path / "store.db")
        client = LocalClient(start_api(store))
        await client.create(NAMESPACE, {"metadata": {"name": "default"}})
        await client.create(SERVICECIDR, default_cidr())
        await scenario(client)
        store.close()

    asyncio.run(run())


def service(name: str, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "default"}, "spec": {"ports": [{"port": 80}], **spec}}


def cidr(name: str, *cidrs: str) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"cidrs": list(cidrs)}}


async def addresses(client: LocalClient) -> dict[str, str]:
    """The Services behind all IPAddresses."""
    return {each.name: each.spec["parentRef"]["name"] for each in (await client.list(IPADDRESS)).items}


async def eventually(check: Callable[[], Awaitable[bool]]) -> None:
    for _ in range(500):
        if await check():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("never")


def test_every_address_has_its_object(tmp_path: Path) -> None:
    async def scenario(client: LocalClient) -> None:
        await client.create(SERVICE, service("web", ipFamilyPolicy="RequireDualStack"))
        await client.create(SERVICE, service("headless", clusterIP="None"))
        assert await addresses(client) == {"10.96.1.1": "web", "fd00:10:96::101": "web"}
        await client.patch(SERVICE, "default", "web", {"spec": {"ipFamilyPolicy": "SingleStack"}})
        assert await addresses(client) == {"10.96.1.1": "web"}
        await client.delete(IPADDRESS, "", "10.96.1.1")
        assert await addresses(client) == {"10.96.1.1": "web"}
        await client.delete(SERVICE, "default", "web")
        assert await addresses(client) == {}

    play(tmp_path, scenario)


def test_an_address_made_by_hand_is_kept_from_services(tmp_path: Path) -> None:
    async def scenario(client: LocalClient) -> None:
        parent = {"group": "example.com", "resource": "things", "name": "one"}
        made = {"metadata": {"name": "10.96.1.1"}, "spec": {"parentRef": parent}}
        await client.create(IPADDRESS, made)
        found = await client.create(SERVICE, service("web"))
        assert found.spec["clusterIP"] == "10.96.1.2"
        with pytest.raises(ApiError, match="provided IP is already allocated"):
            await client.create(SERVICE, service("asking", clusterIP="10.96.1.1"))
        with pytest.raises(ApiError, match="field is immutable"):
            await client.patch(IPADDRESS, "", "10.96.1.1", {"spec": {"parentRef": {"name": "two"}}})
        await client.delete(IPADDRESS, "", "10.96.1.1")
        found = await client.create(SERVICE, service("asking", clusterIP="10.96.1.1"))
        assert found.spec["clusterIP"] == "10.96.1.1"

    play(tmp_path, scenario)


def test_a_range_stays_until_nothing_needs_it(tmp_path: Path) -> None:
    async def scenario(client: LocalClient) -> None:
        made = await client.create(SERVICECIDR, cidr("more", "10.200.0.0/24"))
        assert made.metadata["finalizers"] == [FINALIZER]
        assert made.status["conditions"][0]["status"] == "True"
        await client.create(SERVICE, service("there", clusterIP="10.200.0.9"))
        await client.delete(SERVICECIDR, "", "more")

        async def waits() -> bool:
            [condition] = (await client.get(SERVICECIDR, "", "more")).status["conditions"]
            return bool(condition["message"] == IN_USE and condition["reason"] == "Terminating")

        await eventually(waits)
        with pytest.raises(ApiError, match="the provided network does not match the current range"):
            await client.create(SERVICE, service("late", clusterIP="10.200.0.8"))
        await client.create(SERVICECIDR, cidr("wider", "10.200.0.0/16"))  # it takes the addresses over

        async def gone() -> bool:
            return all(each.name != "more" for each in (await client.list(SERVICECIDR)).items)

        await client.delete(SERVICE, "default", "there")
        await eventually(gone)
        assert (await client.create(SERVICE, service("late", clusterIP="10.200.0.8"))).spec["clusterIP"] == "10.200.0.8"

    play(tmp_path, scenario)


@pytest.mark.parametrize(
    ("cidrs", "message"),
    [
        ([], "at least one CIDR required"),
        (["10.1.0.0/24", "10.2.0.0/24"], "may specify no more than one IP for each IP family"),
        (["10.1.0.0/24", "fd00::/112", "10.2.0.0/24"], "may only hold up to 2 values"),
        (["moon"], "must be a valid CIDR value"),
    ],
)
def test_what_is_no_range_is_refused(tmp_path: Path, cidrs: list[str], message: str) -> None:
    async def scenario(client: LocalClient) -> None:
        with pytest.raises(ApiError, match=message):
            await client.create(SERVICECIDR, cidr("bad", *cidrs))

    play(tmp_path, scenario)


@pytest.mark.parametrize("name", ["10.96.0.010", "FD00::1", "web", "fd00:0::1"])
def test_what_is_no_address_is_refused(tmp_path: Path, name: str) -> None:
    async def scenario(client: LocalClient) -> None:
        parent = {"resource": "services", "name": "web", "namespace": "default"}
        with pytest.raises(ApiError, match="must be an IP address in canonical form"):
            await client.create(IPADDRESS, {"metadata": {"name": name}, "spec": {"parentRef": parent}})

    play(tmp_path, scenario)
