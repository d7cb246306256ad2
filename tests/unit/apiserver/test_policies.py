"""ValidatingAdmissionPolicy: who is refused, warned or let through, and in which words."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.apiserver.asking import Asker, configmap, run
from tests.unit.apiserver.conftest import Cluster

GROUP = "/apis/admissionregistration.k8s.io/v1"
POLICIES, BINDINGS = f"{GROUP}/validatingadmissionpolicies", f"{GROUP}/validatingadmissionpolicybindings"
CONFIGMAPS = "/api/v1/namespaces/default/configmaps"
RULE = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["configmaps"]}


def policy(*validations: dict[str, Any], **spec: Any) -> dict[str, Any]:
    spec = {"matchConstraints": {"resourceRules": [RULE]}, "validations": list(validations), **spec}
    return {"metadata": {"name": "p"}, "spec": spec}


def binding(*actions: str, **spec: Any) -> dict[str, Any]:
    spec = {"policyName": "p", "validationActions": list(actions), **spec}
    return {"metadata": {"name": "b"}, "spec": spec}


async def install(ask: Asker, made: dict[str, Any], bound: dict[str, Any]) -> None:
    for path, raw in ((POLICIES, made), (BINDINGS, bound)):
        answer = await ask(path, "POST", raw)
        assert answer["http"] == 201, answer


BAD_SELECTOR = {"matchExpressions": [{"key": "a", "operator": "Bad"}]}
SHORT = {"expression": "object.metadata.name.size() < 5"}


def test_a_denied_request_hears_why(cluster: Cluster) -> None:
    async def test(ask: Asker) -> None:
        await install(ask, policy({**SHORT, "message": "names are short", "reason": "Forbidden"}), binding("Deny"))
        answer = await ask(CONFIGMAPS, "POST", configmap("too-long"))
        said = "ValidatingAdmissionPolicy 'p' with binding 'b' denied request: names are short"
        assert (answer["http"], answer["reason"]) == (403, "Forbidden")
        assert answer["message"] == f'configmaps "too-long" is forbidden: {said}'
        assert answer["details"]["causes"] == [{"message": said}]
        assert (await ask(CONFIGMAPS, "POST", configmap("ok")))["http"] == 201
        await ask(f"{BINDINGS}/b", "DELETE")
        assert (await ask(CONFIGMAPS, "POST", configmap("too-long")))["http"] == 201

    run(cluster, test)


@pytest.mark.parametrize(
    ("validation", "said"),
    [
        (SHORT, "failed expression: object.metadata.name.size() < 5"),
        ({**SHORT, "messageExpression": "object.metadata.name + ' is long'"}, "too-long is long"),
        ({**SHORT, "messageExpression": "object.none", "message": "as said"}, "as said"),
        ({"expression": "object.none == 1"}, "expression 'object.none == 1' resulted in error: no such key: none"),
        ({"expression": "variables.letters < 5"}, "failed expression: variables.letters < 5"),
        (
            {"expression": "variables.wrong == 1"},
            "expression 'variables.wrong == 1' resulted in error: composited variable \"wrong\" fails",
        ),
        ({"expression": "request.userInfo.username == 'nobody'"}, "failed expression: request.userInfo.username"),
        ({"expression": "namespaceObject.metadata.name == 'other'"}, "failed expression: namespaceObject"),
        ({"expression": "authorizer.group('').resource('pods').check('get').allowed() == false"}, "failed expression"),
        ({"expression": "!authorizer.requestResource.check('create').allowed()"}, "failed expression: !authorizer"),
        (
            {"expression": "authorizer.serviceAccount('a', 'b').group('').resource('pods').check('get').allowed()"},
            "failed expression: authorizer.serviceAccount",
        ),
    ],
)
def test_messages(cluster: Cluster, validation: dict[str, Any], said: str) -> None:
    variables = [
        {"name": "name", "expression": "object.metadata.name"},
        {"name": "letters", "expression": "variables.name.size()"},
        {"name": "wrong", "expression": "object.nothing"},
    ]

    async def test(ask: Asker) -> None:
        await install(ask, policy(validation, variables=variables), binding("Deny"))
        answer = await ask(CONFIGMAPS, "POST", configmap("too-long"))
        assert (answer["http"], answer["reason"]) == (422, "Invalid")
        assert said in answer["message"]

    run(cluster, test)


def test_a_warning_lets_it_through(cluster: Cluster) -> None:
    async def test(ask: Asker) -> None:
        await install(ask, policy(SHORT), binding("Warn", "Audit"))
        answer = await ask(CONFIGMAPS, "POST", configmap("too-long"))
        assert answer["http"] == 201
        said = "Validation failed for ValidatingAdmissionPolicy 'p' with binding 'b': failed expression: "
        assert answer["warnings"] == [f'299 - "{said}{SHORT["expression"]}"']

    run(cluster, test)


@pytest.mark.parametrize(
    ("spec", "bound", "code"),
    [
        ({"matchConditions": [{"name": "c", "expression": "object.metadata.name != 'too-long'"}]}, {}, 201),
        ({"matchConditions": [{"name": "c", "expression": "object.none == 1"}]}, {}, 422),
        ({"matchConditions": [{"name": "c", "expression": "object.none == 1"}], "failurePolicy": "Ignore"}, {}, 201),
        ({}, {"matchResources": {"objectSelector": {"matchLabels": {"a": "b"}}}}, 201),
        ({}, {"matchResources": {"namespaceSelector": {"matchLabels": {"a": "b"}}}}, 201),
        ({}, {"matchResources": {"resourceRules": [{**RULE, "operations": ["DELETE"]}]}}, 201),
        ({}, {"matchResources": {"resourceRules": [{**RULE, "resourceNames": ["other"]}]}}, 201),
        ({}, {"matchResources": {"excludeResourceRules": [RULE]}}, 201),
        ({}, {"matchResources": {"resourceRules": [{**RULE, "apiVersions": ["*"], "resources": ["*"]}]}}, 422),
    ],
)
def test_what_it_is_about(cluster: Cluster, spec: dict[str, Any], bound: dict[str, Any], code: int) -> None:
    async def test(ask: Asker) -> None:
        await install(ask, policy(SHORT, **spec), binding("Deny", **bound))
        assert (await ask(CONFIGMAPS, "POST", configmap("too-long")))["http"] == code

    run(cluster, test)


def test_parameters(cluster: Cluster) -> None:
    async def test(ask: Asker) -> None:
        most = {"expression": "object.metadata.name.size() <= int(params.data.most)"}
        made = policy(most, paramKind={"apiVersion": "v1", "kind": "ConfigMap"})
        reference = {"name": "limits", "namespace": "default", "parameterNotFoundAction": "Deny"}
        await install(ask, made, binding("Deny", paramRef=reference))
        answer = await ask(CONFIGMAPS, "POST", configmap("a"))
        assert "failed to configure binding: no params found for policy binding with `Deny`" in answer["message"]
        await ask(f"{BINDINGS}/b", "DELETE")
        assert (await ask(CONFIGMAPS, "POST", configmap("limits", most="3")))["http"] == 201
        await ask(BINDINGS, "POST", binding("Deny", paramRef=reference))
        assert (await ask(CONFIGMAPS, "POST", configmap("abc")))["http"] == 201
        assert (await ask(CONFIGMAPS, "POST", configmap("abcd")))["http"] == 422

    run(cluster, test)


def test_deletions_and_changes(cluster: Cluster) -> None:
    async def test(ask: Asker) -> None:
        await ask(CONFIGMAPS, "POST", configmap("kept", a="1"))
        rule = {**RULE, "operations": ["DELETE", "UPDATE"]}
        validation = {"expression": "object != null && oldObject.data.a == object.data.a", "message": "stays"}
        await install(ask, policy(validation, matchConstraints={"resourceRules": [rule]}), binding("Deny"))
        assert "stays" in (await ask(f"{CONFIGMAPS}/kept", "DELETE"))["message"]
        patch, media = {"data": {"a": "2"}}, "application/merge-patch+json"
        assert "stays" in (await ask(f"{CONFIGMAPS}/kept", "PATCH", patch, media))["message"]
        patch = {"metadata": {"labels": {"a": "b"}}}
        assert (await ask(f"{CONFIGMAPS}/kept", "PATCH", patch, media))["http"] == 200

    run(cluster, test)


@pytest.mark.parametrize(
    ("path", "raw", "said"),
    [
        (
            POLICIES,
            policy(),
            "spec.validations: Required value: validations or auditAnnotations must contain at least one",
        ),
        (POLICIES, policy({"expression": "object.x =="}), "spec.validations[0].expression: Invalid value: "),
        (
            POLICIES,
            policy({"expression": "x == 1"}),
            "compilation failed: ERROR: <input>:1:1: undeclared reference to 'x'",
        ),
        (POLICIES, policy({"expression": " "}), "spec.validations[0].expression: Required value: expression is not"),
        (POLICIES, policy(SHORT, failurePolicy="Maybe"), 'spec.failurePolicy: Unsupported value: "Maybe"'),
        (POLICIES, policy(SHORT, matchConstraints={}), "spec.matchConstraints.resourceRules: Required value"),
        (POLICIES, policy(SHORT, variables=[{"name": "a-b", "expression": "1"}]), "must be a valid CEL identifier"),
        (
            POLICIES,
            policy(SHORT, matchConstraints={"resourceRules": [RULE], "objectSelector": BAD_SELECTOR}),
            'operator: Unsupported value: "Bad"',
        ),
        (BINDINGS, binding("Deny", matchResources={"namespaceSelector": BAD_SELECTOR}), 'Unsupported value: "Bad"'),
        (BINDINGS, binding(), "spec.validationActions: Required value: at least one validation action is required"),
        (BINDINGS, binding("Deny", "Warn"), "must not contain both Deny and Warn"),
        (BINDINGS, binding("Deny", paramRef={}), "spec.paramRef: Required value: one of name or selector must be"),
    ],
)
def test_what_is_refused(cluster: Cluster, path: str, raw: dict[str, Any], said: str) -> None:
    async def test(ask: Asker) -> None:
        answer = await ask(path, "POST", raw)
        assert answer["http"] == 422, answer
        assert said in answer["message"]

    run(cluster, test)
