"""What kube-apiserver does with preconditions, options, names, generations and managers: over HTTP, in its words."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from tests.unit.apiserver.asking import PATH, Asker, configmap, names, run
from tests.unit.apiserver.conftest import Cluster

from sealane.kube import kinds

MERGE = "application/merge-patch+json"
JSON = "application/json-patch+json"
APPLY = "application/apply-patch+yaml"
LABELS = {"app": "web"}
DEPLOYMENT = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web", "namespace": "default"},
    "spec": {
        "replicas": 2,
        "selector": {"matchLabels": LABELS},
        "template": {"metadata": {"labels": LABELS}, "spec": {"containers": [{"name": "c", "image": "nginx"}]}},
    },
}
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"


@pytest.mark.parametrize(
    ("method", "query", "message"),
    [
        (
            "POST",
            {"dryRun": "Some"},
            'CreateOptions.meta.k8s.io "" is invalid: dryRun: Unsupported value: "Some": supported',
        ),
        (
            "POST",
            {"fieldValidation": "Soft"},
            'fieldValidation: Unsupported value: "Soft": supported values: "Ignore", "Strict"',
        ),
        ("POST", {"fieldManager": "m" * 129}, "fieldManager: Too long: may not be more than 128 bytes"),
        (
            "PATCH",
            {"force": "true"},
            'PatchOptions.meta.k8s.io "" is invalid: force: Forbidden: may not be specified for',
        ),
        (
            "APPLY",
            {},
            'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch',
        ),
        (
            "DELETE",
            {"propagationPolicy": "Later"},
            'propagationPolicy: Unsupported value: "Later": supported values: "Background"',
        ),
        ("DELETE", {"dryRun": "x"}, 'DeleteOptions.meta.k8s.io "" is invalid: dryRun: Unsupported value: "x"'),
        (
            "DELETE",
            {"propagationPolicy": "Orphan", "orphanDependents": "true"},
            "orphanDependents and deletionPropagation cannot be both set",
        ),
    ],
)
def test_wrong_options_are_refused(cluster: Cluster, method: str, query: dict[str, str], message: str) -> None:
    async def test(ask: Asker) -> None:
        await ask.make("a")
        body = None if method == "DELETE" else configmap("b") if method == "POST" else {"data": {"x": "y"}}
        media = {"PATCH": MERGE, "APPLY": APPLY}.get(method, "application/json")
        path = PATH if method == "POST" else f"{PATH}/a"
        refused = await ask(path, "PATCH" if method == "APPLY" else method, body, media, **query)
        assert (refused["http"], refused["reason"]) == (422, "Invalid")
        assert message in refused["message"]
        assert names(await ask()) == ["a"]

    run(cluster, test)


def test_preconditions(cluster: Cluster) -> None:
    async def test(ask: Asker) -> None:
        made = await ask(PATH, "POST", configmap("a", x="1"))
        uid, version = made["metadata"]["uid"], made["metadata"]["resourceVersion"]
        for wrong, said in (
            ({"uid": "other"}, f"Precondition failed: UID in precondition: other, UID in object meta: {uid}"),
            (
                {"resourceVersion": "1"},
                f"ResourceVersion in precondition: 1, ResourceVersion in object meta: {version}",
            ),
        ):
            refused = await ask(f"{PATH}/a", "DELETE", {"preconditions": wrong})
            assert (refused["http"], refused["reason"]) == (409, "Conflict")
            assert refused["message"].startswith('Operation cannot be fulfilled on configmaps "a": ')
            assert said in refused["message"]
        stale = {"metadata": {"resourceVersion": "1"}, "data": {"x": "2"}}
        refused = await ask(f"{PATH}/a", "PATCH", stale, MERGE)
        assert refused["message"] == (
            'Operation cannot be fulfilled on configmaps "a": the object has been modified; please apply your changes '
            "to the latest version and try again"
        )
        refused = await ask(f"{PATH}/a", "PATCH", {"metadata": {"uid": "other"}}, MERGE)
        assert refused["http"] == 409
        done = await ask(f"{PATH}/a", "DELETE", {"preconditions": {"uid": uid, "resourceVersion": version}})
        assert done["status"] == "Success"
        assert done["details"] == {"name": "a", "kind": "configmaps", "uid": uid}

    run(cluster, test)


def test_what_is_being_deleted_says_so(cluster: Cluster) -> None:
    async def test(ask: Asker) -> None:
        await ask(PATH, "POST", {"metadata": {"name": "a", "finalizers": ["example.com/x"]}})
        await ask(f"{PATH}/a", "DELETE")
        refused = await ask(PATH, "POST", configmap("a"))
        assert (refused["http"], refused["reason"]) == (409, "AlreadyExists")
        assert refused["message"] == 'object is being deleted: configmaps "a" already exists'
        more = {"metadata": {"finalizers": ["example.com/x", "example.com/y"]}}
        refused = await ask(f"{PATH}/a", "PATCH", more, MERGE)
        assert refused["message"] == (
            'ConfigMap "a" is invalid: metadata.finalizers: Forbidden: no new finalizers can be added if the object is '
            'being deleted, found new finalizers []string{"example.com/y"}'
        )

    run(cluster, test)


def test_the_core_group_may_be_written_with_its_slash(cluster: Cluster) -> None:
    async def test(ask: Asker) -> None:
        body = {"apiVersion": "/v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"x": "1"}}
        made = await ask(PATH, "POST", body)
        assert (made["http"], made["apiVersion"]) == (201, "v1")
        assert (await ask(f"{PATH}/a", "PUT", body))["apiVersion"] == "v1"
        assert (await ask(f"{PATH}/a", "PATCH", {"apiVersion": "/v1", "data": {"y": "1"}}, MERGE))["apiVersion"] == "v1"
        applied = await ask(f"{PATH}/b?fieldManager=me", "PATCH", {**body, "metadata": {"name": "b"}}, APPLY)
        assert (applied["http"], applied["apiVersion"]) == (201, "v1")
        assert applied["metadata"]["managedFields"][0]["apiVersion"] == "v1"
        refused = await ask(DEPLOYMENTS, "POST", {**DEPLOYMENT, "apiVersion": "/apps/v1"})
        assert refused["http"] == 400

    run(cluster, test)


def test_the_body_of_an_update_is_for_its_place(cluster: Cluster) -> None:
    async def test(ask: Asker) -> None:
        await ask.make("a")
        for body, said in (
            ({**configmap("b")}, "the name of the object (b) does not match the name on the URL (a)"),
            ({"metadata": {}}, "the name of the object (a based on URL) was undeterminable: name must be provided"),
            (
                {"metadata": {"name": "a", "namespace": "other"}},
                "the namespace of the object (other) does not match the namespace on the request (default)",
            ),
        ):
            refused = await ask(f"{PATH}/a", "PUT", body)
            assert (refused["http"], refused["message"]) == (400, said)
        body = {**DEPLOYMENT, "apiVersion": "apps/v1beta1"}
        refused = await ask(DEPLOYMENTS, "POST", body)
        said = "the API version in the data (apps/v1beta1) does not match the expected API version (apps/v1)"
        assert (refused["http"], refused["message"]) == (400, said)
        other = {"metadata": {"name": "b", "namespace": "other"}}
        refused = await ask(PATH, "POST", other)
        said = "the namespace of the provided object does not match the namespace sent on the request"
        assert (refused["http"], refused["message"]) == (400, said)

    run(cluster, test)


def test_put_makes_some_kinds_and_needs_a_version_for_others(cluster: Cluster) -> None:
    async def test(ask: Asker) -> None:
        refused = await ask(f"{PATH}/none", "PUT", configmap("none"))
        assert (refused["http"], refused["message"]) == (404, 'configmaps "none" not found')
        leases = "/apis/coordination.k8s.io/v1/namespaces/default/leases"
        lease: dict[str, Any] = {"metadata": {"name": "l"}, "spec": {"holderIdentity": "me"}}
        roles = "/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles"
        made = await ask(f"{roles}/r", "PUT", {"metadata": {"name": "r"}, "rules": []})
        assert (made["http"], made["metadata"]["name"]) == (201, "r")
        assert (await ask(f"{roles}/r", "PUT", {"metadata": {"name": "r"}, "rules": []}))["http"] == 200
        made = await ask(leases, "POST", lease)
        refused = await ask(f"{leases}/l", "PUT", lease)
        assert (refused["http"], refused["message"]) == (
            422,
            'Lease.coordination.k8s.io "l" is invalid: metadata.resourceVersion: Invalid value: 0x0: must be specified '
            "for an update",
        )
        lease["metadata"]["resourceVersion"] = made["metadata"]["resourceVersion"]
        assert (await ask(f"{leases}/l", "PUT", lease))["http"] == 200

    run(cluster, test)


def test_dry_runs_change_nothing(cluster: Cluster) -> None:
    async def test(ask: Asker) -> None:
        await ask.make("a", "b")
        pod = {"metadata": {"name": "p", "namespace": "default"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
        await ask.client.create(kinds.POD, pod)
        await ask.client.create(kinds.DEPLOYMENT, DEPLOYMENT)
        version = ask.api.store.version
        pods = "/api/v1/namespaces/default/pods"
        dry = {"dryRun": "All"}
        made = await ask(PATH, "POST", configmap("new"), **dry)
        assert (made["http"], "resourceVersion" in made["metadata"]) == (201, False)
        assert (await ask(f"{PATH}/a", "PUT", configmap("a", x="1"), **dry))["data"] == {"x": "1"}
        assert (await ask(f"{PATH}/a", "PATCH", {"data": {"x": "1"}}, MERGE, **dry))["data"] == {"x": "1"}
        applied = await ask(f"{PATH}/n", "PATCH", configmap("n"), APPLY, fieldManager="m", **dry)
        assert applied["http"] == 201
        scale = {"spec": {"replicas": 7}}
        assert (await ask(f"{DEPLOYMENTS}/web/scale", "PATCH", scale, MERGE, **dry))["spec"] == {"replicas": 7}
        status = {"status": {"replicas": 7}}
        assert (await ask(f"{DEPLOYMENTS}/web/status", "PATCH", status, MERGE, **dry))["status"]["replicas"] == 7
        for path, method, body in (
            (f"{PATH}/a", "DELETE", None),
            (f"{PATH}/a", "DELETE", {"dryRun": ["All"]}),
            (PATH, "DELETE", {"dryRun": ["All"]}),
            (f"{pods}/p/binding", "POST", {"target": {"name": "node-1"}}),
            (f"{pods}/p/eviction", "POST", {"metadata": {"name": "p"}, "deleteOptions": {"dryRun": ["All"]}}),
        ):
            done = await ask(path, method, body, **({} if body else dry) | (dry if "binding" in path else {}))
            assert done["http"] in (200, 201), done
        assert ask.api.store.version == version
        assert names(await ask()) == ["a", "b"]

    run(cluster, test)


def test_collections_are_deleted_by_selector_and_in_pages(cluster: Cluster) -> None:
    async def test(ask: Asker) -> None:
        for name in "abcdef":
            raw = configmap(name)
            raw["metadata"]["labels"] = {"half": "1" if name < "d" else "2"}
            raw["metadata"]["finalizers"] = ["example.com/hold"] if name == "b" else []
            await ask.client.create(kinds.CONFIGMAP, raw)
        gone = await ask(PATH, "DELETE", labelSelector="half=1", fieldSelector="metadata.name!=c")
        assert (gone["kind"], names(gone)) == ("ConfigMapList", ["a", "b"])
        assert names(await ask()) == ["b", "c", "d", "e", "f"]
        assert (await ask(f"{PATH}/b"))["metadata"]["deletionTimestamp"]
        page = await ask(PATH, "DELETE", limit="2", labelSelector="half=2")
        assert names(page) == ["d", "e"]
        assert names(await ask()) == ["b", "c", "f"]

    run(cluster, test)


def test_json_patches_have_limits_and_tests(cluster: Cluster) -> None:
    async def test(ask: Asker) -> None:
        await ask.make("a")
        patch = [{"op": "test", "path": "/metadata/name", "value": "other"}]
        refused = await ask(f"{PATH}/a", "PATCH", patch, JSON)
        assert (refused["http"], refused["reason"]) == (422, "Invalid")
        assert refused["message"].startswith("the server rejected our request due to an error in our request")
        many = [{"op": "test", "path": "/metadata/name", "value": "a"}] * 10_001
        refused = await ask(f"{PATH}/a", "PATCH", many, JSON)
        said = "Request entity too large: The allowed maximum operations in a JSON patch is 10000, got 10001"
        assert (refused["http"], refused["message"]) == (413, said)
        big = configmap("big", x="v" * (3 << 20))
        refused = await ask(PATH, "POST", big)
        assert (refused["http"], refused["reason"]) == (413, "RequestEntityTooLarge")

    run(cluster, test)


def test_unknown_fields_of_a_status_that_is_dropped_are_told_or_refused(cluster: Cluster) -> None:
    async def test(ask: Asker) -> None:
        raw = {**DEPLOYMENT, "status": {"paws": 4, "replicas": 7}}
        refused = await ask(DEPLOYMENTS, "POST", raw, fieldValidation="Strict")
        assert (refused["http"], refused["reason"]) == (400, "BadRequest")
        assert refused["message"].endswith('strict decoding error: unknown field "status.paws"')
        both = {**raw, "spec": {**DEPLOYMENT["spec"], "paws": 4}}  # type: ignore[dict-item]
        refused = await ask(DEPLOYMENTS, "POST", both, fieldValidation="Strict")
        assert refused["message"].endswith('error: unknown field "spec.paws", unknown field "status.paws"')
        wrong = await ask(DEPLOYMENTS, "POST", {**raw, "status": {"replicas": "x"}}, fieldValidation="Ignore")
        assert wrong["http"] == 400
        made = await ask(DEPLOYMENTS, "POST", raw, fieldValidation="Warn")
        assert made["warnings"] == ['299 - "unknown field \\"status.paws\\""']
        assert made["status"].get("replicas") != 7
        where = f"{DEPLOYMENTS}/web"
        told = await ask(where, "PATCH", {"status": {"paws": 4}}, MERGE, fieldValidation="Warn")
        assert told["warnings"] == ['299 - "unknown field \\"status.paws\\""']
        refused = await ask(where, "PUT", {**made, "status": {"paws": 4}}, fieldValidation="Strict")
        assert (refused["http"], 'unknown field "status.paws"' in refused["message"]) == (400, True)
        assert "warnings" not in await ask(where, "PATCH", {"status": {"paws": 4}}, MERGE, fieldValidation="Ignore")

    run(cluster, test)


def test_unknown_fields_are_told_or_refused(cluster: Cluster) -> None:
    async def test(ask: Asker) -> None:
        raw = {**DEPLOYMENT, "spec": {**DEPLOYMENT["spec"], "paws": 4}}  # type: ignore[dict-item]
        refused = await ask(DEPLOYMENTS, "POST", raw, fieldValidation="Strict")
        assert (refused["http"], refused["reason"]) == (400, "BadRequest")
        assert 'unknown field "spec.paws"' in refused["message"]
        made = await ask(DEPLOYMENTS, "POST", raw, fieldValidation="Warn")
        assert made["warnings"] == ['299 - "unknown field \\"spec.paws\\""']
        assert "paws" not in made["spec"]
        patched = await ask(f"{DEPLOYMENTS}/web", "PATCH", {"spec": {"paws": 4}}, MERGE)
        assert patched["warnings"]
        quiet = await ask(f"{DEPLOYMENTS}/web", "PATCH", {"spec": {"paws": 4}}, MERGE, fieldValidation="Ignore")
        assert "warnings" not in quiet
        refused = await ask(f"{DEPLOYMENTS}/web", "PATCH", {"spec": {"paws": 4}}, MERGE, fieldValidation="Strict")
        assert refused["http"] == 400
        twice = b'{"metadata":{"name":"twice"},"data":{"a":"1","a":"2"}}'
        refused = await ask(PATH, "POST", twice, fieldValidation="Strict")
        assert (refused["http"], 'duplicate field "data.a"' in refused["message"]) == (400, True)
        assert (await ask(PATH, "POST", twice))["data"] == {"a": "2"}

    run(cluster, test)


def entries(raw: Any) -> dict[tuple[str, str], Any]:
    return {(each["manager"], each["operation"]): each["fieldsV1"] for each in raw["metadata"]["managedFields"]}


def test_every_write_over_the_network_has_a_manager(cluster: Cluster) -> None:
    async def test(ask: Asker) -> None:
        async with ask.session.post(
            DEPLOYMENTS,
            data=json.dumps(DEPLOYMENT),
            headers={"User-Agent": "kubectl/v1.37.0 (linux)", "Content-Type": "application/json"},
        ) as response:
            made = await response.json()
        fields = entries(made)[("kubectl", "Update")]
        assert fields["f:spec"]["f:replicas"] == {}
        assert 'k:{"name":"c"}' in fields["f:spec"]["f:template"]["f:spec"]["f:containers"]
        assert "f:status" not in fields
        status = {"status": {"observedGeneration": 1}}
        changed = await ask(f"{DEPLOYMENTS}/web/status", "PATCH", status, MERGE, fieldManager="controller")
        assert entries(changed)[("controller", "Update")] == {"f:status": {"f:observedGeneration": {}}}
        entry = next(each for each in changed["metadata"]["managedFields"] if each["manager"] == "controller")
        assert entry["subresource"] == "status"
        scaled = await ask(f"{DEPLOYMENTS}/web/scale", "PATCH", {"spec": {"replicas": 5}}, MERGE, fieldManager="hpa")
        assert scaled["spec"]["replicas"] == 5
        found = await ask(f"{DEPLOYMENTS}/web")
        assert entries(found)[("hpa", "Update")] == {"f:spec": {"f:replicas": {}}}
        assert "f:replicas" not in entries(found)[("kubectl", "Update")]["f:spec"]
        config = {"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"replicas": 3}}
        refused = await ask(f"{DEPLOYMENTS}/web", "PATCH", config, APPLY, fieldManager="me")
        assert refused["http"] == 409
        assert refused["message"].startswith(
            'Apply failed with 1 conflict: conflict with "hpa" with subresource "scale" using'
        )
        forced = await ask(f"{DEPLOYMENTS}/web", "PATCH", config, APPLY, fieldManager="me", force="true")
        assert entries(forced)[("me", "Apply")] == {"f:spec": {"f:replicas": {}}}
        assert ("hpa", "Update") not in entries(forced)
        assert [each["operation"] for each in forced["metadata"]["managedFields"]] == ["Apply", "Update", "Update"]
        refused = await ask(
            f"{DEPLOYMENTS}/web", "PATCH", {**config, "apiVersion": "apps/v1beta1"}, APPLY, fieldManager="me"
        )
        assert refused["http"] == 400

    run(cluster, test)


def test_what_the_server_adds_to_a_new_object_is_nobodys(cluster: Cluster) -> None:
    async def test(ask: Asker) -> None:
        services = "/api/v1/namespaces/default/services"
        made = await ask(
            services, "POST", {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}]}}, fieldManager="m"
        )
        fields = entries(made)[("m", "Update")]["f:spec"]
        assert made["spec"]["clusterIP"]
        assert "f:clusterIP" not in fields
        assert {"f:type", "f:sessionAffinity"} <= fields.keys()  # defaults are the writer's
        pod = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}, "junk": {"x": 1}}
        made = await ask("/api/v1/namespaces/default/pods", "POST", pod, fieldManager="m")
        fields = entries(made)[("m", "Update")]
        assert "junk" not in made
        assert fields.keys() == {"f:spec"}
        assert "f:volumes" not in fields["f:spec"]
        assert "f:volumeMounts" not in fields["f:spec"]["f:containers"]['k:{"name":"c"}']

    run(cluster, test)


def test_a_client_may_write_who_manages_what(cluster: Cluster) -> None:
    async def test(ask: Asker) -> None:
        made = await ask(PATH, "POST", configmap("a", x="1"), fieldManager="old")
        moved = [{**made["metadata"]["managedFields"][0], "manager": "new", "operation": "Apply"}]
        patch = [{"op": "replace", "path": "/metadata/managedFields", "value": moved}]
        found = await ask(f"{PATH}/a", "PATCH", patch, JSON)
        assert list(entries(found)) == [("new", "Apply")]
        kept = await ask(f"{PATH}/a", "PATCH", {"metadata": {"managedFields": []}}, MERGE)
        assert list(entries(kept)) == [("new", "Apply")]
        reset = await ask(f"{PATH}/a", "PATCH", {"metadata": {"managedFields": [{}]}}, MERGE)
        assert "managedFields" not in reset["metadata"]
        config = {**configmap("a"), "metadata": {"name": "a", "managedFields": moved}}
        refused = await ask(f"{PATH}/a", "PATCH", config, APPLY, fieldManager="me")
        assert (refused["http"], refused["message"]) == (400, "metadata.managedFields must be nil")

    run(cluster, test)


def test_kubectl_takes_over_from_its_client_side_apply(cluster: Cluster) -> None:
    async def test(ask: Asker) -> None:
        last = "kubectl.kubernetes.io/last-applied-configuration"
        raw = configmap("a", x="1", y="1")
        note = {last: json.dumps(raw)}
        annotated = {**raw, "metadata": {**raw["metadata"], "annotations": note}}
        await ask(PATH, "POST", annotated, fieldManager="kubectl-client-side-apply")
        wanted = configmap("a", x="2", y="1")
        refused = await ask(f"{PATH}/a", "PATCH", wanted, APPLY, fieldManager="other")
        assert refused["http"] == 409
        found = await ask(f"{PATH}/a", "PATCH", wanted, APPLY, fieldManager="kubectl")
        assert (found["http"], found["data"]) == (200, {"x": "2", "y": "1"})
        assert json.loads(found["metadata"]["annotations"][last])["data"] == {"x": "2", "y": "1"}
        await ask(f"{PATH}/a", "PATCH", {"data": {"y": "9"}}, MERGE, fieldManager="edit")
        refused = await ask(f"{PATH}/a", "PATCH", configmap("a", x="2", y="3"), APPLY, fieldManager="kubectl")
        assert (refused["http"], ".data.y" in refused["message"]) == (409, True)

    run(cluster, test)


def test_many_updaters_become_one(cluster: Cluster) -> None:
    async def test(ask: Asker) -> None:
        await ask(PATH, "POST", configmap("a", first="1"), fieldManager="maker")
        for number in range(14):
            await ask(f"{PATH}/a", "PATCH", {"data": {f"k{number}": "v"}}, MERGE, fieldManager=f"m{number:02}")
        found = entries(await ask(f"{PATH}/a"))
        assert len(found) == 10
        assert ("ancient-changes", "Update") in found
        every = {key for fields in found.values() for key in fields["f:data"]}
        assert every == {"f:first", *(f"f:k{number}" for number in range(14))}

    run(cluster, test)


def test_orphans_stay_and_others_go_with_their_owner(cluster: Cluster) -> None:
    async def test(ask: Asker) -> None:
        for policy, stays in (("Orphan", True), ("Background", False), ("Foreground", False)):
            owner = await ask(PATH, "POST", configmap(f"owner-{policy.lower()}"))
            child = configmap(f"child-{policy.lower()}")
            reference = {"apiVersion": "v1", "kind": "ConfigMap", "blockOwnerDeletion": True}
            reference |= {"name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"]}
            child["metadata"]["ownerReferences"] = [reference]
            await ask(PATH, "POST", child)
            gone = await ask(f"{PATH}/owner-{policy.lower()}", "DELETE", None, propagationPolicy=policy)
            assert gone["http"] == 200
            for _ in range(500):
                left = names(await ask(fieldSelector="metadata.name!=x,metadata.name!=kube-root-ca.crt"))
                if f"owner-{policy.lower()}" not in left and (f"child-{policy.lower()}" in left) is stays:
                    break
                await asyncio.sleep(0.01)
            assert (f"child-{policy.lower()}" in left) is stays, policy
            if stays:
                found = await ask(f"{PATH}/child-orphan")
                assert "ownerReferences" not in found["metadata"]

    run(cluster, test)


def test_status_is_dropped_before_it_is_checked(cluster: Cluster) -> None:
    """As Go's typed clients send it: the zero value of a struct, in which `parents` is null."""

    async def test(ask: Asker) -> None:
        routes = "/apis/gateway.networking.k8s.io/v1/namespaces/default/httproutes"
        route = {"metadata": {"name": "r"}, "spec": {}, "status": {"parents": None}}
        made = await ask(routes, "POST", route)
        assert (made["http"], made.get("message")) == (201, None)
        assert "status" not in made
        applied = {**route, "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute"}
        applied["metadata"] = {"name": "s"}
        media = "application/apply-patch+yaml"
        made = await ask(f"{routes}/s", "PATCH", applied, media, fieldManager="me")
        assert (made["http"], made.get("message")) == (201, None)

    run(cluster, test)


def test_printer_columns_show_the_first_of_many(cluster: Cluster) -> None:
    async def test(ask: Asker) -> None:
        column = {"name": "Host", "type": "string", "jsonPath": ".spec.hosts[*]"}
        schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
        definition = {
            "metadata": {"name": "gates.example.com"},
            "spec": {
                "group": "example.com",
                "scope": "Namespaced",
                "names": {"plural": "gates", "kind": "Gate"},
                "versions": [{**version, "additionalPrinterColumns": [column]}],
            },
        }
        await ask("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", "POST", definition)
        gates = "/apis/example.com/v1/namespaces/default/gates"
        gate = {"apiVersion": "example.com/v1", "kind": "Gate", "metadata": {"name": "g"}}
        await ask(gates, "POST", {**gate, "spec": {"hosts": ["a", "b"]}})
        accept = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
        async with ask.session.get(gates, headers=accept) as response:
            table = json.loads(await response.read())
        assert [row["cells"] for row in table["rows"]] == [["g", "a"]]

    run(cluster, test)
