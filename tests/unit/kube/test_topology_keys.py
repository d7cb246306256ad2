"""topologyKeys in the fields of today."""

from __future__ import annotations

from typing import Any

import pytest

from sealane.kube.kinds.services.topology_keys import ANNOTATION, explained, keys_of, without_keys

HOST, ZONE, REGION = "kubernetes.io/hostname", "topology.kubernetes.io/zone", "topology.kubernetes.io/region"


@pytest.mark.parametrize(
    ("keys", "fields", "said"),
    [
        ([HOST], {"internalTrafficPolicy": "Local"}, "taken as internalTrafficPolicy: Local"),
        ([HOST, ZONE, "*"], {"trafficDistribution": "PreferSameNode"}, "taken as trafficDistribution: PreferSameNode"),
        ([ZONE, "*"], {"trafficDistribution": "PreferSameZone"}, "taken as trafficDistribution: PreferSameZone"),
        ([ZONE], {"trafficDistribution": "PreferSameZone"}, "goes on to other endpoints"),
        ([REGION, ZONE], {"trafficDistribution": "PreferSameZone"}, "goes on to other endpoints"),
        (["*"], {}, "without effect"),
        ([REGION, "*"], {}, "without effect"),
    ],
)
def test_keys(keys: list[str], fields: dict[str, str], said: str) -> None:
    service: dict[str, Any] = {"metadata": {"name": "web"}, "spec": {"type": "ClusterIP", "topologyKeys": keys}}
    found = without_keys(service)
    assert found["spec"] == {"type": "ClusterIP", **fields}
    assert found["metadata"]["annotations"] == {ANNOTATION: ",".join(keys)}
    assert said in explained(keys)
    assert keys_of(found) == []


def test_what_is_said_today_stays() -> None:
    spec = {"topologyKeys": [ZONE, "*"], "trafficDistribution": "PreferSameNode"}
    assert without_keys({"spec": spec})["spec"] == {"trafficDistribution": "PreferSameNode"}


@pytest.mark.parametrize("spec", [{}, {"topologyKeys": []}, {"topologyKeys": "zone"}, {"topologyKeys": [1]}])
def test_what_are_no_keys_is_left_to_validation(spec: dict[str, Any]) -> None:
    service = {"spec": spec}
    assert without_keys(service) is service
