"""Server-side apply."""

from __future__ import annotations

from typing import Any

import pytest

from sealane.apiserver.apply import applied
from sealane.kube.client import ApiError
from sealane.kube.kinds import CONFIGMAP, DEPLOYMENT
from sealane.kube.objects import Raw


def configmap(**data: str) -> Raw:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "default"}, "data": data}


def deployment(*containers: Raw, **spec: Any) -> Raw:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "d", "namespace": "default"},
        "spec": {**spec, "template": {"spec": {"containers": list(containers)}}},
    }


def test_what_is_not_wanted_any_more_goes_and_what_others_want_stays() -> None:
    one = applied(CONFIGMAP, None, configmap(a="1", b="2"), "one", False)
    both = applied(CONFIGMAP, one, configmap(b="2", c="3"), "two", False)
    assert both["data"] == {"a": "1", "b": "2", "c": "3"}
    less = applied(CONFIGMAP, both, configmap(), "one", False)
    assert less["data"] == {"b": "2", "c": "3"}


def test_conflicts_are_refused_or_forced() -> None:
    one = applied(CONFIGMAP, None, configmap(a="1"), "one", False)
    with pytest.raises(ApiError, match=r'Apply failed with 1 conflict: conflict with "one": \.data\.a') as refused:
        applied(CONFIGMAP, one, configmap(a="2"), "two", False)
    assert refused.value.code == 409
    forced = applied(CONFIGMAP, one, configmap(a="2"), "two", True)
    assert forced["data"] == {"a": "2"}
    assert [entry["manager"] for entry in forced["metadata"]["managedFields"]] == ["two"]


def test_elements_of_lists_are_told_apart_by_their_keys() -> None:
    web = {"name": "web", "image": "nginx", "ports": [{"containerPort": 80, "name": "http"}]}
    one = applied(DEPLOYMENT, None, deployment(web, replicas=2), "one", False)
    both = applied(DEPLOYMENT, one, deployment({"name": "side", "image": "envoy"}), "two", False)
    names = [each["name"] for each in both["spec"]["template"]["spec"]["containers"]]
    assert names == ["web", "side"]
    fields = both["metadata"]["managedFields"][1]["fieldsV1"]
    assert fields["f:spec"]["f:template"]["f:spec"]["f:containers"] == {
        'k:{"name":"side"}': {".": {}, "f:image": {}, "f:name": {}}
    }
    # The server's default of protocol is the same port.
    defaulted = deployment({**web, "ports": [{"containerPort": 80, "name": "http", "protocol": "TCP"}]}, replicas=2)
    defaulted["metadata"]["managedFields"] = one["metadata"]["managedFields"]
    renamed = deployment({**web, "ports": [{"containerPort": 80, "name": "web"}]}, replicas=2)
    again = applied(DEPLOYMENT, defaulted, renamed, "one", False)
    (port,) = again["spec"]["template"]["spec"]["containers"][0]["ports"]
    assert port == {"containerPort": 80, "name": "web", "protocol": "TCP"}
    only_side = applied(DEPLOYMENT, both, {**deployment(), "spec": {}}, "one", False)
    names = [each["name"] for each in only_side["spec"]["template"]["spec"]["containers"]]
    assert names == ["side"]
    assert "replicas" not in only_side["spec"]


def test_the_same_again_changes_nothing() -> None:
    one = applied(CONFIGMAP, None, configmap(a="1"), "one", False)
    assert applied(CONFIGMAP, one, configmap(a="1"), "one", False) == one
