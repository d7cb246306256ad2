from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sealane.kube import kinds, names, schema
from sealane.kube.kinds.validation import as_api_error, validate
from sealane.kube.objects import Raw
from sealane.kube.problems import path_text
from sealane.kube.schema import Type


def make(api_version: str, kind: str, spec: Any, **more: Any) -> Raw:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": "a"}, "spec": spec, **more}


def service(**spec: Any) -> Raw:
    return make("v1", "Service", {"ports": [{"port": 80}], **spec})


def pod(container: Raw, **spec: Any) -> Raw:
    return make("v1", "Pod", {"containers": [{"name": "c", "image": "i", **container}], **spec})


def deployment(**spec: Any) -> Raw:
    template = {"metadata": {"labels": {"app": "a"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    return make("apps/v1", "Deployment", {"selector": {"matchLabels": {"app": "a"}}, "template": template, **spec})


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (service(), []),
        (service(ports=[]), ["spec.ports: Required value"]),
        (service(ports=[], clusterIP="None"), []),
        (service(ports=[{"port": 53, "name": "a"}, {"port": 53, "protocol": "UDP", "name": "b"}]), []),
        (
            service(ports=[{"port": 80, "name": "a"}, {"port": 81, "name": "a"}]),
            ['spec.ports[1].name: Duplicate value: "a"'],
        ),
        (service(type="ExternalName", ports=[]), ["spec.externalName: Required value"]),
        (service(type="ExternalName", ports=[], externalName="db.example.com."), []),
        (
            service(type="NodePort", ports=[{"port": 80, "nodePort": 80}]),
            [
                "spec.ports[0].nodePort: Invalid value: 80: provided port is not in the valid range. "
                "The range of valid ports is 30000-32767"
            ],
        ),
        (
            service(ports=[{"port": 80, "nodePort": 30080}]),
            ["spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"],
        ),
        (
            service(clusterIP="10.0.0.256"),
            [
                'spec.clusterIP: Invalid value: "10.0.0.256": must be a valid IP address, '
                "(e.g. 10.9.8.7 or 2001:db8::ffff)"
            ],
        ),
        (
            service(externalTrafficPolicy="Local"),
            ['spec.externalTrafficPolicy: Invalid value: "Local": may only be set for externally-accessible services'],
        ),
        (
            service(sessionAffinity="ClientIP", sessionAffinityConfig={"clientIP": {"timeoutSeconds": 86401}}),
            [
                "spec.sessionAffinityConfig.clientIP.timeoutSeconds: Invalid value: 86401: must be greater than 0 and "
                "less than or equal to 86400"
            ],
        ),
        (service(ipFamilies=["IPv4", "IPv4"]), ['spec.ipFamilies[1]: Duplicate value: "IPv4"']),
        (pod({}), []),
        (pod({"image": ""}), ["spec.containers[0].image: Required value"]),
        (make("v1", "Pod", {}), ["spec.containers: Required value"]),
        (make("v1", "Pod", None), ["spec.containers: Required value"]),
        (
            pod({"ports": [{"containerPort": 80, "name": "Much-too-long-name"}]}),
            [
                'spec.containers[0].ports[0].name: Invalid value: "Much-too-long-name": '
                "must be no more than 15 characters",
                'spec.containers[0].ports[0].name: Invalid value: "Much-too-long-name": '
                "must contain only alphanumeric characters (a-z, 0-9), and hyphens (-)",
            ],
        ),
        (
            pod({"readinessProbe": {}}),
            ["spec.containers[0].readinessProbe: Required value: must specify a handler type"],
        ),
        (
            pod({"livenessProbe": {"tcpSocket": {"port": 80}, "successThreshold": 2}}),
            ["spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1"],
        ),
        (
            pod({"env": [{"name": "A", "value": "b", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}]}),
            ['spec.containers[0].env[0].valueFrom: Invalid value: "": may not be specified when `value` is not empty'],
        ),
        (
            pod({}, dnsPolicy="None"),
            [
                "spec.dnsConfig.nameservers: Required value: must provide at least one DNS nameserver when "
                "`dnsPolicy` is None"
            ],
        ),
        (pod({}, initContainers=[{"name": "c", "image": "i"}]), ['spec.initContainers[0].name: Duplicate value: "c"']),
        (pod({}, volumes=[{"name": "v"}]), []),
        (
            pod({"resources": {"limits": {"cpu": "1 core"}}}),
            [
                'spec.containers[0].resources.limits[cpu]: Invalid value: "1 core": quantities must match the regular '
                "expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
            ],
        ),
        (deployment(), []),
        (deployment(replicas=-1), ["spec.replicas: Invalid value: -1: must be greater than or equal to 0"]),
        (deployment(selector={}), ["spec.selector: Invalid value: {}: empty selector is invalid for deployment"]),
        (
            deployment(strategy={"type": "Recreate", "rollingUpdate": {"maxSurge": 1}}),
            ["spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'"],
        ),
        (
            deployment(strategy={"rollingUpdate": {"maxSurge": 0, "maxUnavailable": "0%"}}),
            ['spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "0%": may not be 0 when `maxSurge` is 0'],
        ),
        (
            {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"a b": "YQ==", "c": "?"}},
            [
                'data[c]: Invalid value: "?": illegal base64 data (plain text goes into stringData)',
                'data[a b]: Invalid value: "a b": a valid config key must consist of alphanumeric characters, '
                "'-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is "
                "'[-._a-zA-Z0-9]+')",
            ],
        ),
        (
            make(
                "discovery.k8s.io/v1", "EndpointSlice", None, addressType="IPv6", endpoints=[{"addresses": ["1.2.3.4"]}]
            ),
            [
                "spec: unknown field (expected one of addressType, apiVersion, endpoints, kind, metadata, ports)",
                'endpoints[0].addresses[0]: Invalid value: "1.2.3.4": must be an IPv6 address',
            ],
        ),
        (make("example.com/v1", "Lamp", {"anything": 1}), []),
        ({"apiVersion": "example.com/v1", "kind": "Service", "metadata": {"name": "1.a"}}, []),
        (
            {"apiVersion": "example.com/v1", "kind": "Lamp", "metadata": {"name": "a", "lables": {}}},
            [
                'metadata.lables: unknown field; did you mean "labels"? (expected one of annotations, '
                "creationTimestamp, deletionGracePeriodSeconds, deletionTimestamp, finalizers, generateName, "
                "generation, labels, managedFields, name, namespace, ownerReferences, …)"
            ],
        ),
    ],
)
def test_rules(raw: Raw, expected: list[str]) -> None:
    assert [str(each) for each in validate(raw)] == expected


def test_the_api_s_answers() -> None:
    raw = service(ports=[{"port": 0, "name": "_"}])
    error = as_api_error(raw, validate(raw))
    assert (error.code, error.reason) == (422, "Invalid")
    assert error.message.startswith('Service "a" is invalid: [spec.ports[0].name: Invalid value: "_"')
    assert [cause["field"] for cause in error.details["causes"]] == ["spec.ports[0].name", "spec.ports[0].port"]
    raw = deployment(replica=1)
    error = as_api_error(raw, validate(raw))
    assert (error.code, error.reason) == (400, "BadRequest")
    assert error.message == (
        'Deployment in version "v1" cannot be handled as a Deployment: strict decoding error: '
        'unknown field "spec.replica"'
    )


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        (names.dns_label, ["a", "a-1", "1a"], ["-a", "A", "a.b", "a_b", "x" * 64, "a\n"]),
        (names.dns_1035_label, ["a", "a-1"], ["1a", "a-"]),
        (names.dns_subdomain, ["a.b-c.d", "1.2"], ["a..b", ".a", "a.", "x" * 254]),
        (names.qualified_name, ["a", "A_b.c", "example.com/a"], ["", "/a", "a/", "a/b/c", "-a", "Ex.com/a", "x" * 64]),
        (names.label_value, ["", "a", "A_1.b"], ["a b", "-", "x" * 64]),
        (names.port_name, ["http", "a-1"], ["80", "-a", "a--b", "x" * 16, "A"]),
        (names.address, ["10.0.0.1", "fd00::1"], ["10.0.0", "10.0.0.01", "fe80::1%eth0", ""]),
        (names.cidr, ["10.0.0.0/8", "10.0.0.1/8", "fd00::/64"], ["10.0.0.0", "10.0.0.0/33", "x/8"]),
        (names.wildcard_subdomain, ["*.a.b"], ["*", "a.*.b", "*a.b", "*.*.a"]),
    ],
)
def test_formats(check: names.Check, good: list[str], bad: list[str]) -> None:
    for text in good:
        assert not list(check(text)), text
    for text in bad:
        assert list(check(text)), text


def test_paths_are_written_as_kubernetes_writes_them() -> None:
    assert path_text(("spec", "ports", 0, "port")) == "spec.ports[0].port"
    assert path_text(("metadata", "annotations", "a.b/c")) == "metadata.annotations[a.b/c]"


GARBAGE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


def shaped(found: Type, depth: int) -> st.SearchStrategy[Any]:
    """Objects with the right names, in which any value may be anything."""
    if depth == 0:
        return GARBAGE

    @st.composite
    def build(draw: st.DrawFn) -> Any:
        made: dict[str, Any] = {}
        for field in draw(st.lists(st.sampled_from(sorted(found.fields.values(), key=lambda f: f.name)), max_size=5)):
            if draw(st.integers(0, 5)) == 0 or field.element in schema.PLAIN:
                made[field.name] = draw(GARBAGE)
                continue
            inner = shaped(schema.named(field.element), depth - 1)
            made[field.name] = draw(st.lists(inner, max_size=2) if field.type.startswith("[]") else inner)
        return made

    return build()


@st.composite
def objects(draw: st.DrawFn) -> Raw:
    kind = draw(st.sampled_from(kinds.KNOWN))
    root = schema.root(kind.api_version, kind.kind)
    assert root is not None
    drawn: Raw = draw(shaped(root, 6))
    return drawn | {"apiVersion": kind.api_version, "kind": kind.kind}


def policy(**spec: Any) -> Raw:
    return make("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy", spec)


@settings(suppress_health_check=[HealthCheck.too_slow])  # a large first input on a busy machine
@given(objects())
@example(policy(matchConditions=[{"name": "c", "expression": "x"}]))  # found: the compiler draws where the error is
@example(policy(variables=[{"name": "a", "expression": "(\n1 +"}]))
def test_whatever_comes_in_problems_come_out(raw: Raw) -> None:
    before = copy.deepcopy(raw)
    for problem in validate(raw):
        assert "\n" not in str(problem)
    assert repr(raw) == repr(before)
