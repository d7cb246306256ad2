"""What may not change, what definitions must say, and what the server adds on its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.unit.apiserver.conftest import Cluster

from sealane.apiserver.local import LocalClient
from sealane.kube import kinds
from sealane.kube.client.protocol import ApiError
from sealane.kube.kinds import Kind
from sealane.kube.objects import Raw

WIDGET = Kind("example.com", "v1", "Widget", "widgets", subresources=("scale", "status"))
LABELS = {"app": "web"}
TEMPLATE = {"metadata": {"labels": LABELS}, "spec": {"containers": [{"name": "c", "image": "nginx"}]}}


def run(cluster: Cluster, test: Callable[[LocalClient], Awaitable[None]]) -> None:
    async def inside() -> None:
        async with cluster.client() as client:
            await asyncio.wait_for(test(client), 60)

    asyncio.run(inside())


def named(name: str, **fields: Any) -> Raw:
    return {"metadata": {"name": name, "namespace": "default"}, **fields}


def definition(**changes: Any) -> Raw:
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
        "subresources": {
            "status": {},
            "scale": {"specReplicasPath": ".spec.size", "statusReplicasPath": ".status.size"},
        },
    }
    spec = {
        "group": "example.com",
        "names": {"kind": "Widget", "plural": "widgets"},
        "scope": "Namespaced",
        "versions": [version],
        **changes,
    }
    return {"metadata": {"name": "widgets.example.com"}, "spec": spec}


@pytest.mark.parametrize(
    ("patch", "allowed"),
    [
        ({"spec": {"containers": [{"name": "c", "image": "nginx:2"}]}}, True),
        ({"spec": {"tolerations": [{"key": "new", "operator": "Exists"}]}}, True),
        ({"spec": {"activeDeadlineSeconds": 5}}, True),
        ({"metadata": {"labels": {"a": "b"}}}, True),
        ({"spec": {"hostname": "other"}}, False),
        ({"spec": {"containers": [{"name": "c", "image": "nginx", "args": ["x"]}]}}, False),
        ({"spec": {"containers": [{"name": "d", "image": "nginx"}]}}, False),
        ({"spec": {"nodeName": "node-1"}}, False),
    ],
)
def test_few_fields_of_a_pod_may_change(cluster: Cluster, patch: Raw, allowed: bool) -> None:
    async def test(client: LocalClient) -> None:
        await client.create(kinds.POD, named("p", spec=TEMPLATE["spec"]))
        change = client.patch(kinds.POD, "default", "p", patch, type="strategic")
        if allowed:
            await change
            return
        with pytest.raises(ApiError, match="pod updates may not change fields other than") as refused:
            await change
        assert (refused.value.code, refused.value.reason) == (422, "Invalid")

    run(cluster, test)


def test_a_pod_that_has_a_node_stays_there(cluster: Cluster) -> None:
    async def test(client: LocalClient) -> None:
        await client.create(kinds.POD, named("p", spec={**TEMPLATE["spec"], "nodeName": "node-1"}))
        for node in ("node-2", None):
            with pytest.raises(ApiError, match="pod updates may not change fields other than"):
                await client.patch(kinds.POD, "default", "p", {"spec": {"nodeName": node}})

    run(cluster, test)


def test_a_toleration_of_a_pod_stays(cluster: Cluster) -> None:
    async def test(client: LocalClient) -> None:
        toleration = {"key": "a", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5}
        await client.create(kinds.POD, named("p", spec={**TEMPLATE["spec"], "tolerations": [toleration]}))
        shorter = {"spec": {"tolerations": [{**toleration, "tolerationSeconds": 1}]}}
        await client.patch(kinds.POD, "default", "p", shorter)
        with pytest.raises(ApiError, match="existing toleration can not be modified"):
            await client.patch(kinds.POD, "default", "p", {"spec": {"tolerations": [{**toleration, "key": "b"}]}})

    run(cluster, test)


def test_a_statefulset_keeps_its_service_name(cluster: Cluster) -> None:
    async def test(client: LocalClient) -> None:
        spec = {"selector": {"matchLabels": LABELS}, "template": TEMPLATE, "serviceName": "db"}
        await client.create(kinds.STATEFULSET, named("db", spec=spec))
        await client.patch(kinds.STATEFULSET, "default", "db", {"spec": {"replicas": 3, "minReadySeconds": 1}})
        with pytest.raises(ApiError, match="updates to statefulset spec for fields other than 'replicas'"):
            await client.patch(kinds.STATEFULSET, "default", "db", {"spec": {"serviceName": "other"}})

    run(cluster, test)


JOB = {"template": {"spec": {**TEMPLATE["spec"], "restartPolicy": "Never"}}, "completions": 2, "parallelism": 2}
INDEXED = {"completionMode": "Indexed"}


@pytest.mark.parametrize(
    ("spec", "patch", "refusal"),
    [
        ({}, {"template": {"spec": {"containers": [{"name": "c", "image": "nginx:2"}]}}}, "spec.template"),
        ({}, {"template": {"spec": {"nodeSelector": {"disk": "ssd"}}}}, "spec.template"),
        ({}, {"completionMode": "Indexed"}, "spec.completionMode"),
        ({}, {"completions": 3, "parallelism": 3}, "spec.completions"),
        ({}, {"parallelism": 5, "suspend": True, "backoffLimit": 1}, ""),
        (INDEXED, {"completions": 3, "parallelism": 3}, ""),
        (INDEXED, {"completions": 3}, "can only be modified in tandem with spec.parallelism"),
        ({"suspend": True}, {"template": {"spec": {"nodeSelector": {"disk": "ssd"}}}}, ""),
        ({"suspend": True}, {"template": {"metadata": {"labels": {"queue": "fast"}}}}, ""),
        (
            {"suspend": True},
            {"template": {"spec": {"containers": [{"name": "c", "image": "nginx:2"}]}}},
            "spec.template",
        ),
    ],
)
def test_what_a_job_does_may_not_change(cluster: Cluster, spec: Raw, patch: Raw, refusal: str) -> None:
    async def test(client: LocalClient) -> None:
        await client.create(kinds.JOB, named("j", spec={**JOB, **spec}))
        change = client.patch(kinds.JOB, "default", "j", {"spec": patch}, type="strategic")
        if not refusal:
            await change
            return
        with pytest.raises(ApiError, match=refusal) as refused:
            await change
        assert (refused.value.code, refused.value.reason) == (422, "Invalid")

    run(cluster, test)


def test_the_pods_of_a_job_that_has_run_are_scheduled_as_before(cluster: Cluster) -> None:
    async def test(client: LocalClient) -> None:
        await client.create(kinds.JOB, named("j", spec={**JOB, "suspend": True}))
        status = {"status": {"startTime": "2026-01-01T00:00:00Z"}}
        await client.patch(kinds.JOB, "default", "j", status, subresource="status")
        patch = {"spec": {"template": {"spec": {"nodeSelector": {"disk": "ssd"}}}}}
        with pytest.raises(ApiError, match=r"spec\.template: .*: field is immutable"):
            await client.patch(kinds.JOB, "default", "j", patch)

    run(cluster, test)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scope": "Everywhere"}, 'spec.scope: Unsupported value: "Everywhere"'),
        ({"group": "example.org"}, 'must be spec.names.plural+"."+spec.group'),
        ({"versions": []}, "spec.versions"),
        ({"versions": [{"name": "v1", "served": True, "storage": True}]}, "openAPIV3Schema: Required value"),
        (
            {"versions": [{**definition()["spec"]["versions"][0], "storage": False}]},
            "must have exactly one version marked as storage version",
        ),
    ],
)
def test_a_definition_that_cannot_be_served_is_refused(cluster: Cluster, changes: Raw, message: str) -> None:
    async def test(client: LocalClient) -> None:
        with pytest.raises(ApiError) as refused:
            await client.create(kinds.CRD, definition(**changes))
        assert refused.value.code == 422
        assert message in refused.value.message

    run(cluster, test)


def test_a_definition_is_established_and_served_at_once(cluster: Cluster) -> None:
    async def test(client: LocalClient) -> None:
        made = await client.create(kinds.CRD, definition())
        assert made.status["acceptedNames"] == {
            "kind": "Widget",
            "plural": "widgets",
            "singular": "widget",
            "listKind": "WidgetList",
        }
        assert [(each["type"], each["status"]) for each in made.status["conditions"]] == [
            ("NamesAccepted", "True"),
            ("Established", "True"),
        ]
        await client.create(WIDGET, named("w", spec={"size": 2}))
        with pytest.raises(ApiError, match="field is immutable"):
            await client.patch(kinds.CRD, "", "widgets.example.com", {"spec": {"scope": "Cluster"}})
        second = {**definition()["spec"]["versions"][0], "name": "v2"}
        first = {**definition()["spec"]["versions"][0], "storage": False}
        patch = {"spec": {"versions": [second, first]}}
        changed = await client.patch(kinds.CRD, "", "widgets.example.com", patch)
        assert changed.status["storedVersions"] == ["v1", "v2"]
        newer = Kind("example.com", "v2", "Widget", "widgets")
        assert (await client.get(newer, "default", "w")).raw["apiVersion"] == "example.com/v2"

    run(cluster, test)


def test_scaling_a_custom_object_changes_the_field_that_its_definition_names(cluster: Cluster) -> None:
    async def test(client: LocalClient) -> None:
        await client.create(kinds.CRD, definition())
        await client.create(WIDGET, named("w", spec={"size": 2, "other": 1}))
        scale = await client.patch(WIDGET, "default", "w", {"spec": {"replicas": 5}}, subresource="scale")
        assert (scale.kind, scale.spec) == ("Scale", {"replicas": 5})
        assert (await client.get(WIDGET, "default", "w")).spec == {"size": 5, "other": 1}

    run(cluster, test)


def test_an_ingress_without_a_class_gets_the_default_one(cluster: Cluster) -> None:
    async def test(client: LocalClient) -> None:
        backend = {"service": {"name": "web", "port": {"number": 80}}}
        plain = await client.create(kinds.INGRESS, named("before", spec={"defaultBackend": backend}))
        assert "ingressClassName" not in plain.spec
        annotations = {"ingressclass.kubernetes.io/is-default-class": "true"}
        for name in ("one", "two"):
            metadata = {"name": name, "annotations": annotations}
            await client.create(kinds.INGRESSCLASS, {"metadata": metadata, "spec": {"controller": "example.com/c"}})
            if name == "one":
                made = await client.create(kinds.INGRESS, named("after", spec={"defaultBackend": backend}))
                assert made.spec["ingressClassName"] == "one"
        with pytest.raises(ApiError, match="2 default IngressClasses were found, only 1 allowed"):
            await client.create(kinds.INGRESS, named("third", spec={"defaultBackend": backend}))

    run(cluster, test)


def test_a_field_that_cannot_be_selected_is_named_once(cluster: Cluster) -> None:
    async def test(client: LocalClient) -> None:
        with pytest.raises(ApiError) as refused:
            await client.list(kinds.POD, fields="spec.foo=1")
        assert (refused.value.code, refused.value.message) == (400, "field label not supported: spec.foo")

    run(cluster, test)


def test_a_field_that_an_object_leaves_out_can_be_selected_on(cluster: Cluster) -> None:
    async def test(client: LocalClient) -> None:
        await client.create(kinds.NODE, {"metadata": {"name": "n"}})
        await client.create(kinds.POD, named("p", spec=TEMPLATE["spec"]))
        await client.create(kinds.JOB, named("j", spec=JOB))
        for kind, fields in (
            (kinds.NODE, "spec.unschedulable=false"),
            (kinds.POD, "spec.hostNetwork=false,spec.nodeName="),
            (kinds.JOB, "status.successful=0"),
        ):
            assert len((await client.list(kind, fields=fields)).items) == 1, fields

    run(cluster, test)


CLAIM_SPEC = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
STORAGE_CLASS = {"metadata": {"name": "c"}, "provisioner": "example.com/p", "parameters": {"a": "b"}}


@pytest.mark.parametrize(
    ("kind", "made", "change", "said"),
    [
        (
            kinds.STORAGECLASS,
            STORAGE_CLASS,
            {"parameters": {"a": "c"}},
            "parameters: Forbidden: updates to parameters are",
        ),
        (
            kinds.STORAGECLASS,
            STORAGE_CLASS,
            {"reclaimPolicy": "Retain"},
            "reclaimPolicy: Forbidden: updates to reclaimPo",
        ),
        (
            kinds.STORAGECLASS,
            STORAGE_CLASS,
            {"volumeBindingMode": "WaitForFirstConsumer"},
            'volumeBindingMode: Invalid value: "WaitForFirstConsumer": field is immutable',
        ),
        (kinds.STORAGECLASS, STORAGE_CLASS, {"allowVolumeExpansion": True}, ""),
        (
            kinds.PRIORITYCLASS,
            {"metadata": {"name": "c"}, "value": 5},
            {"value": 6},
            "value: Forbidden: may not be changed in an update.",
        ),
        (
            kinds.RUNTIMECLASS,
            {"metadata": {"name": "c"}, "handler": "a"},
            {"handler": "b"},
            'handler: Invalid value: "b": field is immutable',
        ),
        (
            kinds.PERSISTENTVOLUMECLAIM,
            named("c", spec=CLAIM_SPEC),
            {"spec": {"accessModes": ["ReadOnlyMany"]}},
            "spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName",
        ),
        (kinds.PERSISTENTVOLUMECLAIM, named("c", spec=CLAIM_SPEC), {"spec": {"volumeName": "v"}}, ""),
        (kinds.PERSISTENTVOLUMECLAIM, named("c", spec=CLAIM_SPEC), {"metadata": {"labels": {"a": "b"}}}, ""),
    ],
)
def test_classes_and_claims_stay_as_they_were_made(
    cluster: Cluster, kind: Kind, made: Raw, change: Raw, said: str
) -> None:
    async def test(client: LocalClient) -> None:
        await client.create(kind, made)
        namespace = "default" if kind.namespaced else ""
        if not said:
            await client.patch(kind, namespace, "c", change)
            return
        with pytest.raises(ApiError) as refused:
            await client.patch(kind, namespace, "c", change)
        assert refused.value.code == 422
        assert f' "c" is invalid: {said}' in str(refused.value)

    run(cluster, test)


def test_a_bound_claim_asks_for_no_less_than_it_has(cluster: Cluster) -> None:
    async def test(client: LocalClient) -> None:
        made = await client.create(kinds.PERSISTENTVOLUMECLAIM, named("c", spec=CLAIM_SPEC))
        size = made.spec["resources"]["requests"]["storage"]
        bound = {"status": {"phase": "Bound", "capacity": {"storage": size}}}
        await client.patch(kinds.PERSISTENTVOLUMECLAIM, "default", "c", bound, subresource="status")
        less = {"spec": {"resources": {"requests": {"storage": "1Mi"}}}}
        with pytest.raises(ApiError) as refused:
            await client.patch(kinds.PERSISTENTVOLUMECLAIM, "default", "c", less)
        said = "spec.resources.requests.storage: Forbidden: field can not be less than status.capacity"
        assert said in str(refused.value)

    run(cluster, test)


def test_what_is_wrong_of_itself_says_what_may_not_change_as_well(cluster: Cluster) -> None:
    async def test(client: LocalClient) -> None:
        spec = {"containers": [{"name": "c", "image": "i"}]}
        template = {"metadata": {"labels": {"a": "b"}}, "spec": spec}
        made = named("d", spec={"selector": {"matchLabels": {"a": "b"}}, "template": template})
        await client.create(kinds.DEPLOYMENT, made)
        with pytest.raises(ApiError) as refused:
            await client.patch(kinds.DEPLOYMENT, "default", "d", {"spec": {"selector": {"matchLabels": {"a": "c"}}}})
        said = str(refused.value)
        assert "spec.template.metadata.labels: Invalid value" in said
        assert 'spec.selector: Invalid value: {"matchLabels":{"a":"c"}}: field is immutable]' in said

    run(cluster, test)
