"""Forms of a trace and the lines that it names. What it answers is in tests/unit/cases."""

from __future__ import annotations

import os

import pytest
from rich.console import Console

from golden import CASES, manifests, world
from sealane.cluster import bootstrap
from sealane.explain.expect import expected
from sealane.explain.render import render
from sealane.explain.steps import Trace
from sealane.explain.trace import trace
from sealane.explain.world import World, left_out, named_secrets, read_kinds, warnings
from sealane.kube.objects import Key, Object, Origin
from sealane.library import world_of

SHOP = CASES / "shop"


def shop(source: str, target: str) -> Trace:
    return trace(world(SHOP), source, target, "shop")


def test_exit_codes() -> None:
    assert shop("deploy/frontend", "http://cart-service/items").exit_code == 0
    assert shop("deploy/checkout", "cart-service").exit_code == 1


def test_of_secrets_a_world_reads_those_that_gateways_of_ours_name() -> None:
    found = named_secrets(
        [*(Object(raw) for _, raw in bootstrap.objects(1)), *manifests(CASES / "tls-name-not-served")]
    )
    assert [key.name for key in found] == ["none", "shop"]
    assert named_secrets(manifests(CASES / "tls-name-not-served")) == ()  # no class, so not ours


def test_json_says_all() -> None:
    found = shop("deploy/frontend", "http://cart-service/items").json()
    assert found["verdict"] == "allowed"
    assert {endpoint["pod"] for endpoint in found["endpoints"]} == {f"shop/cart-{index}" for index in range(3)}
    assert [step["hop"] for step in found["steps"]] == ["source", "name", "service", "egress", "ingress", "pod"]


def test_rendered_for_people() -> None:
    console = Console(width=120, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    console.print(render(shop("deploy/checkout", "cart-service")))
    text = console.export_text()
    assert "✗ egress" in text.replace("✗  egress", "✗ egress")
    assert "denied: shop/cart-0 is isolated for ingress" in text


def test_lines_of_the_manifest_that_decided() -> None:
    """Origins of given objects, of pods' templates, and those that a callable knows."""
    origins = {
        "web-to-app": Origin("policies.yaml", 60, {("spec", "egress", 0): 70}),
        "cart": Origin("cart.yaml", 1, {("spec", "template"): 10, ("spec", "template", "spec", "containers", 0): 20}),
    }
    given = [Object(item.raw, origins.get(item.name) if item.kind != "Service" else None) for item in manifests(SHOP)]
    cluster = [Object(raw) for _, raw in bootstrap.objects(2)]
    service = Key("", "Service", "shop", "cart-service")
    known = World(
        expected([*cluster, *given]),
        lambda key: Origin("services.yaml", 5, {("spec", "ports", 0): 9}) if key == service else None,
    )
    found = {step.hop: step.at for step in trace(known, "deploy/frontend", "cart-service", "shop").steps}
    assert found["egress"] == "policies.yaml:70"
    assert found["pod"] == "cart.yaml:20"
    assert found["service"] == "services.yaml:9"


def foreign(kind: str, namespace: str, api: str = "cilium.io/v2") -> Object:
    meta = {"name": "other", "namespace": namespace} if namespace else {"name": "other"}
    return Object({"apiVersion": api, "kind": kind, "metadata": meta, "spec": {}}, Origin("o.yaml", 1, {("spec",): 4}))


@pytest.mark.parametrize(
    ("policy", "verdict"),
    [
        (foreign("CiliumNetworkPolicy", "shop"), "unknown"),
        (foreign("CiliumNetworkPolicy", "ops"), "unknown"),
        (foreign("CiliumNetworkPolicy", "elsewhere"), "allowed"),
        (foreign("CiliumClusterwideNetworkPolicy", ""), "unknown"),
        (foreign("NetworkPolicy", "shop", "projectcalico.org/v3"), "unknown"),
        (foreign("GlobalNetworkPolicy", "", "crd.projectcalico.org/v1"), "unknown"),
        (foreign("StagedNetworkPolicy", "shop", "projectcalico.org/v3"), "allowed"),
        (foreign("AuthorizationPolicy", "shop", "security.istio.io/v1"), "unknown"),
        (foreign("AuthorizationPolicy", "shop", "example.com/v1"), "allowed"),
    ],
    ids=lambda each: str(each.key) if isinstance(each, Object) else each,
)
def test_a_policy_that_is_not_modelled_makes_an_answer_unknown_where_it_may_decide(
    policy: Object, verdict: str
) -> None:
    known = world_of([*manifests(CASES / "policy-admin-older"), policy])
    found = trace(known, "pod/ops/probe", "pod/shop/web", port="9000")
    assert (found.verdict, found.exit_code) == (verdict, 6 if verdict == "unknown" else 0)
    if verdict == "unknown":
        assert found.steps[-1].at == "o.yaml:4"
        assert "by all that is modelled it is allowed" in found.reason


def test_a_domain_name_makes_the_answer_unknown_for_its_subjects_and_addresses_outside() -> None:
    known = world(CASES / "policy-admin-peers")
    [each] = left_out(known)
    subject = next(pod.pod for pod in known.policies.isolation.values() if each.source.key in pod.egress)
    assert trace(known, f"pod/{subject.namespace}/{subject.name}", "192.0.2.1:443").verdict == "unknown"


def test_what_no_answer_counts_is_named_with_its_line() -> None:
    assert list(warnings(World(manifests(CASES / "policy-admin-peers")))) == [
        "objects.yaml:33: ClusterNetworkPolicy out: example.com is a domain name: no answer counts it",
    ]
    assert {"AdminNetworkPolicy", "BaselineAdminNetworkPolicy"} <= {kind.kind for kind in read_kinds()}
    assert not list(left_out(world(SHOP)))
