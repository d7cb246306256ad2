"""Kinds that are served in several versions: one stored, the others made of it."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.apiserver.asking import Asker, run
from tests.unit.apiserver.conftest import Cluster

SCALERS = "/apis/autoscaling/{}/namespaces/default/horizontalpodautoscalers"
TARGET = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}


def scaler(version: str, **spec: Any) -> dict[str, Any]:
    spec = {"scaleTargetRef": TARGET, "maxReplicas": 5, **spec}
    return {
        "apiVersion": f"autoscaling/{version}",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "h"},
        "spec": spec,
    }


def cpu(percentage: int) -> dict[str, Any]:
    target = {"type": "Utilization", "averageUtilization": percentage}
    return {"type": "Resource", "resource": {"name": "cpu", "target": target}}


def test_an_autoscaler_of_v1_is_one_of_v2(cluster: Cluster) -> None:
    async def test(ask: Asker) -> None:
        made = await ask(SCALERS.format("v1"), "POST", scaler("v1", targetCPUUtilizationPercentage=70))
        assert (made["http"], made["apiVersion"]) == (201, "autoscaling/v1")
        assert made["spec"]["targetCPUUtilizationPercentage"] == 70
        found = await ask(SCALERS.format("v2") + "/h")
        assert found["spec"] == {"scaleTargetRef": TARGET, "minReplicas": 1, "maxReplicas": 5, "metrics": [cpu(70)]}
        listed = await ask(SCALERS.format("v1"))
        assert listed["items"][0]["spec"]["targetCPUUtilizationPercentage"] == 70

    run(cluster, test)


def test_what_v1_has_no_field_for_is_in_an_annotation_and_survives(cluster: Cluster) -> None:
    memory = {
        "type": "Resource",
        "resource": {"name": "memory", "target": {"type": "AverageValue", "averageValue": "1Gi"}},
    }
    behavior = {"scaleDown": {"stabilizationWindowSeconds": 60}}

    async def test(ask: Asker) -> None:
        await ask(SCALERS.format("v2"), "POST", scaler("v2", metrics=[memory, cpu(50)], behavior=behavior))
        old = await ask(SCALERS.format("v1") + "/h")
        assert old["spec"]["targetCPUUtilizationPercentage"] == 50
        assert "metrics" not in old["spec"]
        assert set(old["metadata"]["annotations"]) == {
            "autoscaling.alpha.kubernetes.io/metrics",
            "autoscaling.alpha.kubernetes.io/behavior",
        }
        patch = {"spec": {"maxReplicas": 9}}
        await ask(SCALERS.format("v1") + "/h", "PATCH", patch, "application/merge-patch+json")
        new = await ask(SCALERS.format("v2") + "/h")
        assert new["spec"]["maxReplicas"] == 9
        assert sorted(each["resource"]["name"] for each in new["spec"]["metrics"]) == ["cpu", "memory"]
        assert new["spec"]["behavior"] == behavior
        assert "annotations" not in new["metadata"]

    run(cluster, test)


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
def test_the_gateway_api_is_served_in_the_versions_of_its_crds(cluster: Cluster, version: str) -> None:
    async def test(ask: Asker) -> None:
        path = f"/apis/gateway.networking.k8s.io/{version}/namespaces/default/gateways"
        listeners = [{"name": "a", "port": 80, "protocol": "HTTP"}]
        raw = {"metadata": {"name": "g"}, "spec": {"gatewayClassName": "c", "listeners": listeners}}
        made = await ask(path, "POST", raw)
        assert (made["http"], made["apiVersion"]) == (201, f"gateway.networking.k8s.io/{version}")
        assert made["spec"]["listeners"][0]["allowedRoutes"] == {"namespaces": {"from": "Same"}}
        other = await ask(path.replace(version, "v1") + "/g")
        assert other["apiVersion"] == "gateway.networking.k8s.io/v1"

    run(cluster, test)
