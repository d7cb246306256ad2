"""Expressions (CEL) that cost too much: refused in kube-apiserver's words, while other requests are answered."""

# ruff: noqa: E501  (messages are shown as they are)

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.unit.apiserver.asking import PATH, Asker, configmap, run
from tests.unit.apiserver.conftest import Cluster
from tests.unit.apiserver.test_policies import binding, install, policy

from sealane.kube.cel import budget
from sealane.kube.structural.rules import judged

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
LISTS = "/apis/example.com/v1/namespaces/default/lists"
NESTED = "self.a.all(x, self.a.all(y, x >= 0 && y >= 0))"
OUT = "operation cancelled: actual cost limit exceeded"


def definition(rule: str, most: int | None = 1000, **rules: Any) -> dict[str, Any]:
    a = {"type": "array", "items": {"type": "integer"}, **({} if most is None else {"maxItems": most})}
    spec = {"type": "object", "properties": {"a": a}, "x-kubernetes-validations": [{"rule": rule, **rules}]}
    schema = {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}}
    return {
        "metadata": {"name": "lists.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": "lists", "kind": "List1"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
        },
    }


def thing(name: str, count: int) -> dict[str, Any]:
    return {
        "apiVersion": "example.com/v1",
        "kind": "List1",
        "metadata": {"name": name},
        "spec": {"a": list(range(count))},
    }


def test_a_costly_rule_is_ended_and_other_requests_are_answered(cluster: Cluster) -> None:
    async def test(ask: Asker) -> None:
        assert (await ask(CRDS, "POST", definition(NESTED)))["http"] == 201
        writing = asyncio.create_task(ask(LISTS, "POST", thing("big", 1000)))
        answered = 0
        while not writing.done():
            assert (await ask(PATH))["http"] == 200
            answered += 1
        refused = await writing
        assert answered > 20
        assert refused["http"] == 422
        said = f"'{OUT}': no further validation rules will be run due to call cost exceeds limit for rule: {NESTED}"
        assert said in refused["message"]
        assert (await ask(LISTS, "POST", thing("small", 20)))["http"] == 201

    run(cluster, test)


def test_a_rule_that_costs_less_than_the_limit_is_evaluated(cluster: Cluster) -> None:
    """More than 10,000 iterations; and the warnings of the write are said once."""

    async def test(ask: Asker) -> None:
        rule = "self.a.all(x, self.a.exists_one(y, x == y))"
        assert (await ask(CRDS, "POST", definition(rule)))["http"] == 201
        assert (await ask(LISTS, "POST", thing("names", 150)))["http"] == 201
        doubled = thing("doubled", 150)
        doubled["spec"]["a"].append(3)
        refused = await ask(LISTS, "POST", doubled)
        assert (refused["http"], f"failed rule: {rule}" in refused["message"]) == (422, True)
        changed = await ask(
            f"{LISTS}/names", "PATCH", {"spec": {"a": list(range(160))}}, "application/merge-patch+json"
        )
        assert len(changed["spec"]["a"]) == 160

    run(cluster, test)


def test_all_rules_of_an_object_together_have_a_budget() -> None:
    unique = {"rule": "self.all(x, self.exists_one(y, x == y))"}
    schema = {"type": "array", "items": {"type": "integer"}, "x-kubernetes-validations": [unique] * 9}
    causes, _ = budget.result(budget.Task(judged, (schema, list(range(100)), None), 100_000, None))
    why = "validation failed due to running out of cost budget, no further validation rules will be run"
    assert causes == [("<nil>", "FieldValueInvalid", f'Invalid value: "array": {why}')]


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (
            definition(NESTED, None),
            "x-kubernetes-validations[0].rule: Forbidden: estimated rule cost exceeds budget by factor of more than 100x"
            " (try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and "
            "strings are declared)",
        ),
        (definition(NESTED, 5000), "estimated rule cost exceeds budget by factor of "),
        (
            definition(
                "true", None, messageExpression="self.a.map(x, self.a.map(y, string(y))).size() > 0 ? 'a' : 'b'"
            ),
            "estimated messageExpression cost exceeds budget by factor of more than 100x",
        ),
    ],
)
def test_definitions_whose_rules_might_cost_too_much_are_refused(
    cluster: Cluster, made: dict[str, Any], why: str
) -> None:
    async def test(ask: Asker) -> None:
        refused = await ask(CRDS, "POST", made)
        assert refused["http"] == 422
        assert why in refused["message"]

    run(cluster, test)


def test_a_policy_that_costs_too_much_ends(cluster: Cluster) -> None:
    async def test(ask: Asker) -> None:
        nested = "object.data.all(x, object.data.all(y, x != y || x == y))"
        await install(ask, policy({"expression": nested}), binding("Deny"))
        body = configmap("big", **{f"k{number}": "v" for number in range(1000)})
        writing = asyncio.create_task(ask(PATH, "POST", body))
        answered = 0
        while not writing.done():
            assert (await ask("/api/v1/namespaces"))["http"] == 200
            answered += 1
        refused = await writing
        assert answered > 20
        assert f"expression '{nested}' resulted in error: {OUT}" in refused["message"]

    run(cluster, test)


def test_a_costly_policy_asks_the_authorizer(cluster: Cluster) -> None:
    async def test(ask: Asker) -> None:
        unique = "object.data.all(x, object.data.exists_one(y, x == y))"
        may = "authorizer.group('').resource('configmaps').namespace('default').check('delete').allowed()"
        await install(ask, policy({"expression": f"{unique} && {may}"}), binding("Deny"))
        body = configmap("big", **{f"k{number}": "v" for number in range(200)})
        assert (await ask(PATH, "POST", body))["http"] == 201

    run(cluster, test)
