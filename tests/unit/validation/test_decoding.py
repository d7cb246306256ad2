"""Values of the wrong type are refused in the words of Go's JSON."""

from __future__ import annotations

from typing import Any

import pytest

from sealane.kube.kinds.validation import as_api_error, validate

SAID = 'Deployment in version "v1" cannot be handled as a Deployment: '


def container(**fields: Any) -> dict[str, Any]:
    return {"template": {"spec": {"containers": [fields]}}}


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        (
            {"replicas": "x"},
            "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        (
            {"replicas": 1.5},
            "json: cannot unmarshal number 1.5 into Go struct field DeploymentSpec.spec.replicas of type",
        ),
        (
            {"replicas": 1.0},
            "json: cannot unmarshal number 1.0 into Go struct field DeploymentSpec.spec.replicas of type",
        ),
        (
            {"strategy": {"rollingUpdate": {"maxSurge": 1.0}}},
            "number 1.0 into Go struct field RollingUpdateDeployment.spec.strategy.rollingUpdate.maxSurge of",
        ),
        (
            {"paused": "yes"},
            "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.paused of type bool",
        ),
        (
            {"template": []},
            "cannot unmarshal array into Go struct field DeploymentSpec.spec.template of type v1.PodTemplate",
        ),
        (container(name=1), "Go struct field Container.spec.template.spec.containers.name of type string"),
        (
            container(ports={}),
            "unmarshal object into Go struct field Container.spec.template.spec.containers.ports of type []",
        ),
        (
            {"selector": {"matchLabels": {"a": True}}},
            "bool into Go struct field LabelSelector.spec.selector.matchLabels of",
        ),
        (
            {"replicas": 99999999999},
            "json: cannot unmarshal number 99999999999 into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        (
            {"template": {"spec": {"containers": [], "terminationGracePeriodSeconds": 1 << 63}}},
            "cannot unmarshal number 9223372036854775808 into Go struct field "
            "PodSpec.spec.template.spec.terminationGracePeriodSeconds of type int64",
        ),
        (
            {"strategy": {"rollingUpdate": {"maxSurge": -2147483649}}},
            "number -2147483649 into Go struct field RollingUpdateDeployment.spec.strategy.rollingUpdate.maxSurge of",
        ),
        ({"replcas": 1, "x": 2}, 'strict decoding error: unknown field "spec.replcas", unknown field "spec.x"'),
    ],
)
def test_refused(spec: dict[str, Any], why: str) -> None:
    raw = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": spec}
    error = as_api_error(raw, validate(raw))
    assert (error.code, error.reason) == (400, "BadRequest")
    assert error.message.startswith(SAID)
    assert why in error.message


@pytest.mark.parametrize(
    "field", [{"terminationGracePeriodSeconds": 1 << 31}, {"securityContext": {"runAsUser": 2147483647}}]
)
def test_numbers_that_fit_their_field_are_no_decoding_error(field: dict[str, Any]) -> None:
    spec = {"containers": [{"name": "c", "image": "i"}], **field}
    raw = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "d"}, "spec": spec}
    assert not [each for each in validate(raw) if each.reason == "FieldTypeInvalid"]
