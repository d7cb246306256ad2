"""The CustomResourceDefinitions that every cluster has from the start, and what becomes of them."""

from __future__ import annotations

import asyncio
import copy
from typing import Any

import pytest
from tests.unit.apiserver.asking import Asker, run
from tests.unit.apiserver.conftest import Cluster

from sealane.apiserver.local import LocalClient
from sealane.apiserver.server import furnish, start_api
from sealane.apiserver.storage.store import Store
from sealane.kube import crds, kinds, schema
from sealane.kube.structural.node import Node
from sealane.kube.structural.validate import validation_causes

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
ROUTES = "/apis/gateway.networking.k8s.io/v1/namespaces/default/httproutes"
ROUTE = {
    "metadata": {"name": "r"},
    "spec": {"hostnames": ["a.example.com"], "rules": [{"backendRefs": [{"name": "web", "port": 80}]}]},
}


def test_they_are_listed_and_established_with_their_version_and_channel(cluster: Cluster) -> None:
    async def test(ask: Asker) -> None:
        found = {each["metadata"]["name"]: each for each in (await ask(CRDS))["items"]}
        assert set(found) == set(crds.definitions())
        for each in found.values():
            annotations = each["metadata"]["annotations"]
            assert any(key.endswith("/bundle-version") for key in annotations)
            conditions = {one["type"]: one["status"] for one in each["status"]["conditions"]}
            assert conditions["Established"] == conditions["NamesAccepted"] == "True"
        routes = found["httproutes.gateway.networking.k8s.io"]["metadata"]
        assert routes["annotations"]["gateway.networking.k8s.io/channel"] == "experimental"
        assert routes["generation"] == 1

    run(cluster, test)


def test_objects_are_completed_and_checked_by_facts_and_by_our_rules(cluster: Cluster) -> None:
    async def test(ask: Asker) -> None:
        made = await ask(ROUTES, "POST", ROUTE)
        assert made["spec"]["rules"][0]["matches"] == [{"path": {"type": "PathPrefix", "value": "/"}}]
        assert made["metadata"]["generation"] == 1
        wrong: Any = copy.deepcopy(ROUTE)
        wrong["metadata"]["name"] = "w"
        wrong["spec"]["rules"][0]["filters"] = [{"type": "RequestRedirect"}]
        assert (await ask(ROUTES, "POST", wrong))["http"] == 422
        patch = {"spec": {"hostnames": ["b.example.com"]}}
        refused = await ask(ROUTES + "/r", "PATCH", patch, "application/strategic-merge-patch+json")
        assert refused["http"] == 415
        as_table = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
        async with ask.session.get(ROUTES, headers=as_table) as response:
            table = await response.json()
        assert [each["name"] for each in table["columnDefinitions"]] == ["Name", "Hostnames", "Age"]

    run(cluster, test)


def test_a_definition_that_is_deleted_takes_its_kind_along(cluster: Cluster) -> None:
    async def test(ask: Asker) -> None:
        await ask(ROUTES, "POST", ROUTE)
        await ask(CRDS + "/httproutes.gateway.networking.k8s.io", "DELETE")
        while (await ask(ROUTES))["http"] != 404:
            await asyncio.sleep(0.01)
        assert (await ask(ROUTES.replace("httproutes", "gateways")))["http"] == 200

    run(cluster, test)


def test_another_definition_of_the_same_name_takes_its_place_and_leaves_it_again(cluster: Cluster) -> None:
    """As when the official definitions are applied: their schema and rules count from then on."""

    async def test(ask: Asker) -> None:
        await ask(ROUTES, "POST", ROUTE)
        path = CRDS + "/httproutes.gateway.networking.k8s.io"
        ours = await ask(path)
        theirs = copy.deepcopy(ours)
        rule = {"rule": "!has(self.hostnames) || self.hostnames.all(h, h != 'no.example.com')", "message": "not this"}
        for version in theirs["spec"]["versions"]:
            version["schema"]["openAPIV3Schema"]["properties"]["spec"]["x-kubernetes-validations"] = [rule]
        theirs.pop("http")
        assert (await ask(path, "PUT", theirs))["http"] == 200
        wrong: Any = copy.deepcopy(ROUTE)
        wrong["metadata"]["name"], wrong["spec"]["hostnames"] = "w", ["no.example.com"]
        refused = await ask(ROUTES, "POST", wrong)
        assert refused["http"] == 422
        assert "not this" in refused["message"]
        assert [each["metadata"]["name"] for each in (await ask(ROUTES))["items"]] == ["r"]
        back = await ask(path)
        back["spec"] = ours["spec"]
        back.pop("http")
        assert (await ask(path, "PUT", back))["http"] == 200
        assert (await ask(ROUTES, "POST", wrong))["http"] == 201

    run(cluster, test)


def test_what_was_deleted_stays_so_over_a_restart(cluster: Cluster) -> None:
    async def names() -> set[str]:
        store = Store.open(cluster.path)
        api = start_api(store)
        furnish(api)
        client = LocalClient(api)
        await store.flush()
        found = {each.name for each in (await client.list(kinds.CRD)).items}
        if "xmeshes.gateway.networking.x-k8s.io" in found:
            await client.delete(kinds.CRD, "", "xmeshes.gateway.networking.x-k8s.io")
            while len((await client.list(kinds.CRD)).items) == len(found):
                await asyncio.sleep(0.01)
        store.close()
        return found

    first, second = asyncio.run(names()), asyncio.run(names())
    assert first == set(crds.definitions())
    assert first - second == {"xmeshes.gateway.networking.x-k8s.io"}


@pytest.mark.parametrize("name", sorted(crds.definitions()))
def test_the_schemas_of_a_definition_are_those_of_the_facts(name: str) -> None:
    """Both ask for the same fields: an empty object is refused for what the facts call required."""
    spec = crds.spec_of(name)
    for version in spec["versions"]:
        type_ = schema.root(f"{spec['group']}/{version['name']}", spec["names"]["kind"])
        assert type_ is not None
        node = Node.of(version["schema"]["openAPIV3Schema"])
        missing = {field for field, reason, _ in validation_causes(node, {}) if reason == "FieldValueRequired"}
        assert missing == set(type_.required)


def test_a_definition_of_other_words_is_not_ours() -> None:
    ours = next(crds.objects())
    assert crds.is_ours(ours)
    assert not crds.is_ours({**ours, "spec": {**ours["spec"], "scope": "Namespaced"}})
    assert not crds.is_ours({"metadata": {"name": "things.example.com"}, "spec": {}})


def test_who_writes_a_peer_that_nothing_follows_is_warned(cluster: Cluster) -> None:
    async def test(ask: Asker) -> None:
        group, subject = "/apis/policy.networking.k8s.io", {"namespaces": {}}
        raw: Any = {"metadata": {"name": "p"}, "spec": {"priority": 1, "subject": subject}}
        made = await ask(f"{group}/v1alpha1/adminnetworkpolicies", "POST", raw)
        assert made["http"] == 201
        assert "warnings" not in made  # what is enforced
        raw["spec"]["tier"] = "Admin"
        made = await ask(f"{group}/v1beta1/clusternetworkpolicies", "POST", raw)
        assert made["http"] == 201
        assert "warnings" not in made
        raw["metadata"]["name"] = "q"
        raw["spec"]["egress"] = [
            {"action": "Accept", "to": [{"namespaces": {}}, {"domainNames": ["example.com"]}]},
            {"action": "Deny", "to": [{"networks": ["0.0.0.0/0"]}]},
        ]
        [warning] = (await ask(f"{group}/v1beta1/clusternetworkpolicies", "POST", raw))["warnings"]
        assert "spec.egress[0].to[1].domainNames" in warning

    run(cluster, test)
