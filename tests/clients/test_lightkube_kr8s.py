"""lightkube and kr8s, two clients that read discovery and schemas in ways of their own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import kr8s.asyncio
import kr8s.asyncio.objects as asynchronous
import pytest
from kr8s.objects import Deployment, Pod
from lightkube import Client, KubeConfig, codecs
from lightkube.core.exceptions import ApiError
from lightkube.generic_resource import create_namespaced_resource, load_in_cluster_generic_resources
from lightkube.models.core_v1 import ServicePort, ServiceSpec
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.apps_v1 import Deployment as LightDeployment
from lightkube.resources.core_v1 import ConfigMap, Node, Service
from lightkube.resources.core_v1 import Pod as LightPod
from lightkube.types import PatchType

from sealane.testing.cluster import Cluster, eventually

pytestmark = pytest.mark.sealane(nodes=2)

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: NAME, namespace: default}
spec:
  replicas: 1
  selector: {matchLabels: {app: NAME}}
  template:
    metadata: {labels: {app: NAME}}
    spec: {containers: [{name: web, image: nginx, ports: [{containerPort: 80}]}]}
"""
CRD = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: lamps.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: lamps, singular: lamp, kind: Lamp}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}}
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec: {type: object, properties: {colour: {type: string, default: white}}}
          status: {type: object, properties: {lit: {type: boolean}}}
"""


@pytest.fixture(scope="module")
def light(sealane: Cluster) -> Client:
    return Client(config=KubeConfig.from_file(sealane.kubeconfig), field_manager="lightkube")


def test_lightkube_creates_reads_patches_applies_and_deletes(light: Client) -> None:
    made = light.create(
        Service(
            metadata=ObjectMeta(name="typed", namespace="default"),
            spec=ServiceSpec(selector={"a": "b"}, ports=[ServicePort(port=80)]),
        )
    )
    assert made.spec is not None
    assert made.spec.clusterIP
    assert light.get(Service, "typed").spec == made.spec
    light.patch(Service, "typed", {"spec": {"ports": [{"port": 80, "targetPort": 8080}]}}, patch_type=PatchType.MERGE)
    applied = light.apply(
        ConfigMap(metadata=ObjectMeta(name="applied", namespace="default"), data={"a": "1"}), field_manager="me"
    )
    assert applied.metadata is not None
    assert applied.metadata.managedFields
    light.delete(Service, "typed")
    with pytest.raises(ApiError) as gone:
        light.get(Service, "typed")
    assert gone.value.status.reason == "NotFound"
    assert len(list(light.list(Node))) == 2


def test_lightkube_waits_watches_and_reads_logs(light: Client) -> None:
    for each in codecs.load_all_yaml(DEPLOYMENT.replace("NAME", "light")):
        light.create(each)
    light.wait(LightDeployment, "light", for_conditions=["Available"])
    for _, pod in light.watch(LightPod, labels={"app": "light"}):
        if pod.status and pod.status.phase == "Running":
            break
    assert pod.metadata is not None
    assert pod.metadata.name is not None
    assert list(light.log(pod.metadata.name)) == []


def test_lightkube_knows_custom_kinds(light: Client) -> None:
    for each in codecs.load_all_yaml(CRD):
        light.create(each)
    lamp = create_namespaced_resource("example.com", "v1", "Lamp", "lamps")

    def create() -> Any:
        try:
            return light.create(lamp(metadata=ObjectMeta(name="desk", namespace="default"), spec={}))
        except (ApiError, httpx.HTTPStatusError) as error:
            raise AssertionError(error) from None  # the new path is not there yet

    assert eventually(create).spec == {"colour": "white"}
    load_in_cluster_generic_resources(light)
    found = codecs.from_dict({"apiVersion": "example.com/v1", "kind": "Lamp", "metadata": {"name": "x"}})
    assert type(found).__name__ == "Lamp"


def test_kr8s_scales_execs_and_forwards(sealane: Cluster) -> None:
    api = kr8s.api(kubeconfig=sealane.kubeconfig)
    deployment = Deployment(next(iter(codecs.load_all_yaml(DEPLOYMENT.replace("NAME", "kr8s")))).to_dict(), api=api)
    deployment.create()
    deployment.wait("condition=Available", timeout=30)
    deployment.scale(2)
    eventually(lambda: len([pod for pod in deployment.pods() if pod.ready()]) == 2)
    pod = deployment.pods()[0]
    assert pod.exec(["sh", "-c", "hostname"]).stdout.decode().strip() == pod.name
    with pod.portforward(remote_port=80, local_port="auto") as port:  # its own is 80, which is root's
        assert httpx.get(f"http://127.0.0.1:{port}/here", timeout=60).json()["path"] == "/here"
    pod.annotate({"a": "b"})
    assert Pod.get(pod.name, namespace="default", api=api).annotations["a"] == "b"
    deployment.delete()
    eventually(lambda: not deployment.exists())


def test_kr8s_watches_and_reads_what_is_served(sealane: Cluster) -> None:
    async def play() -> None:
        api = await kr8s.asyncio.api(kubeconfig=sealane.kubeconfig)
        assert {each["name"] for each in await api.api_resources()} >= {"pods", "deployments", "httproutes"}
        assert "v1." in (await api.version())["gitVersion"]
        assert await anext(watched(api)) == "seen"
        pods = [pod async for pod in api.get("pods", namespace="kube-system", label_selector={"k8s-app": "kube-dns"})]
        logs = [line async for line in pods[0].logs(tail_lines=5)]
        assert isinstance(logs, list)

    async def watched(api: Any) -> AsyncIterator[str]:
        made = await asynchronous.ConfigMap({"metadata": {"name": "seen", "namespace": "default"}}, api=api)
        task = asyncio.create_task(made.create())
        async for event, found in api.watch("configmaps", namespace="default"):
            if event == "ADDED" and found.name == "seen":
                yield found.name
        await task

    asyncio.run(asyncio.wait_for(play(), 60))
