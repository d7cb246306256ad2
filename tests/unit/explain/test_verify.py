"""The judge: what is tried, and which outcomes contradict the model."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from sealane.cluster import bootstrap
from sealane.explain.expect import expected
from sealane.explain.reach import pairs
from sealane.explain.render import render_report
from sealane.explain.verify import Attempt, Disagreement, Outcome, Report, attempts, surprise, verify
from sealane.explain.world import World
from sealane.kube.objects import Object
from sealane.network.policies import Party, evaluate

SHOP = Path(__file__).parents[3] / "examples" / "shop"


def shop() -> World:
    raws = [raw for file in sorted(SHOP.glob("*.yaml")) for raw in yaml.safe_load_all(file.read_text()) if raw]
    return World(expected([Object(raw) for raw in [*(raw for _, raw in bootstrap.objects(2)), *raws]]))


def packets(attempt: Attempt, number: int) -> Outcome:
    if attempt.mixed:
        return "answered" if number % 2 else "silent"
    return "refused" if attempt.refused else "answered" if attempt.allowed else "silent"


def report(world: World, outcome_of: dict[str, list[Outcome]]) -> tuple[list[str], list[int]]:
    """Texts of disagreements when some attempts have these outcomes in turn, and how many were tried each time."""
    tried: list[int] = []

    async def attempt(wanted: Sequence[Attempt]) -> list[Outcome]:
        tried.append(len(wanted))
        return [
            outcome_of[each.what][len(tried) - 1] if each.what in outcome_of else packets(each, number)
            for number, each in enumerate(wanted)
        ]

    found = asyncio.run(verify(world, attempt))
    return [each.text for each in found.disagreements], tried


def test_every_pair_is_tried() -> None:
    world = shop()
    wanted = {each.what: each for each in attempts(world)}
    assert wanted["shop/frontend-0 → shop/cart-1 8080/TCP"].allowed
    assert not wanted["shop/frontend-0 → shop/database-0 5432/TCP"].allowed
    assert wanted["shop/database-0 → kube-system/coredns-0 53/UDP"].allowed
    assert wanted["outside → Service cluster-system/shop-gateway-sealane 172.18.255.1:80/TCP"].allowed
    assert wanted["shop/frontend-0 → Service shop/cart-service 10.96.1.2:80/TCP"].allowed
    pods = list(world.pods.values())
    declared = {"coredns": 3, "shop-gateway-sealane": 1}
    ports = sum(declared.get(pod.name.rpartition("-")[0], 1) for pod in pods)
    assert sum(" → Service" not in what for what in wanted) == 2 * len(pods) * ports  # over IPv4 and IPv6
    assert wanted["shop/frontend-0 → shop/cart-1 8080/TCP over IPv6"].allowed


PARTLY = """
apiVersion: v1
kind: Pod
metadata: {name: one, labels: {app: web, part: open}}
spec: {containers: [{name: c, ports: [{containerPort: 80}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: two, labels: {app: web, part: shut}}
spec: {containers: [{name: c, ports: [{containerPort: 80}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: client}
spec: {containers: [{name: c}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ipFamilyPolicy: PreferDualStack, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: empty}
spec: {selector: {app: nobody}, ports: [{port: 80}, {name: datagrams, port: 80, protocol: UDP}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: shut}
spec: {podSelector: {matchLabels: {part: shut}}, policyTypes: [Ingress]}
"""


def partly() -> World:
    raws = yaml.safe_load_all(PARTLY)
    objects = [Object({**raw, "metadata": {**raw["metadata"], "namespace": "default"}}) for raw in raws]
    return World(expected(objects))


def test_what_only_some_endpoints_answer_is_tried_until_both_are_seen() -> None:
    wanted = {each.what: each for each in attempts(partly())}
    for address in ("10.96.1.2", "[fd00:10:96::101]"):
        found = wanted[f"default/client → Service default/web {address}:80/TCP"]
        assert found.prediction == "mixed"
        assert found.tries == 20  # half of the endpoints: one in a million that one outcome is not seen
        assert "isolated for ingress by default/shut" in found.reason
        assert surprise(found, frozenset({"answered", "silent"})) is None
        assert surprise(found, frozenset({"answered"})) == "answered"
        assert surprise(found, frozenset({"silent"})) == "silent"
        assert surprise(found, frozenset({"answered", "silent", "refused"})) == "refused"


def test_what_nobody_answers_is_refused() -> None:
    wanted = {each.what: each for each in attempts(partly())}
    stream, datagrams = (
        wanted[f"default/client → Service default/empty 10.96.1.1:80/{protocol}"] for protocol in ("TCP", "UDP")
    )
    assert stream.prediction == datagrams.prediction == "refused"
    assert surprise(stream, frozenset({"refused"})) is None
    assert surprise(stream, frozenset({"silent"})) == "silent"
    assert surprise(datagrams, frozenset({"silent"})) is None  # the ICMP error is one of many
    assert surprise(stream, frozenset({"answered"})) == "answered"


def test_agreement_is_quiet() -> None:
    texts, tried = report(shop(), {})
    assert texts == []
    assert len(tried) == 1


def test_what_surprises_once_is_tried_again() -> None:
    open_, shut = "shop/frontend-0 → shop/cart-1 8080/TCP", "shop/frontend-0 → shop/database-0 5432/TCP"
    assert report(shop(), {open_: ["silent", "answered"]})[0] == []
    texts, tried = report(shop(), {open_: ["silent", "silent"], shut: ["answered", "answered"]})
    assert tried[1] == 2
    assert texts[0].startswith(f"{open_} should be answered (")
    assert texts[0].endswith("and was met with silence")
    assert texts[1].startswith(f"{shut} should get no answer (shop/frontend-0 is isolated for egress")


def test_a_refusal_is_no_drop_and_no_answer() -> None:
    shut, open_ = "shop/frontend-0 → shop/database-0 5432/TCP", "shop/frontend-0 → shop/cart-1 8080/TCP"
    texts, _ = report(shop(), {shut: ["refused", "refused"], open_: ["refused", "refused"]})
    assert len(texts) == 2


LABELS = st.fixed_dictionaries({}, optional={"app": st.sampled_from("ab"), "tier": st.sampled_from("xy")})
PEERS = st.lists(
    LABELS.map(lambda labels: {"podSelector": {"matchLabels": labels}})
    | st.sampled_from(["10.244.1.0/24", "10.244.2.2/32"]).map(lambda cidr: {"ipBlock": {"cidr": cidr}}),
    max_size=2,
)
PORTS = st.lists(st.sampled_from([{"port": 80}, {"port": "web"}, {"protocol": "UDP"}]), max_size=2)
RULES = st.none() | st.lists(st.tuples(PEERS, PORTS), max_size=2)
POLICIES = st.lists(st.tuples(LABELS, RULES, RULES), max_size=3)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(LABELS, st.booleans()), min_size=1, max_size=5), POLICIES)
def test_asking_by_kind_of_pod_is_asking_for_each(pods: list[tuple[dict[str, str], bool]], policies: list) -> None:  # type: ignore[type-arg]
    objects = []
    for index, (labels, named) in enumerate(pods):
        port = {"containerPort": 80, "name": "web"} if named else {"containerPort": 80}
        spec = {"containers": [{"name": "c", "ports": [port]}]}
        metadata = {"name": f"pod-{index}", "namespace": "n", "labels": labels}
        objects.append(Object({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}))
    for index, (labels, ingress, egress) in enumerate(policies):
        spec = {"podSelector": {"matchLabels": labels}, "policyTypes": []}
        for kind, field, peers, rules in (("Ingress", "ingress", "from", ingress), ("Egress", "egress", "to", egress)):
            if rules is not None:
                spec["policyTypes"].append(kind)  # type: ignore[attr-defined]
                spec[field] = [{peers: found, "ports": ports} for found, ports in rules]
        raw = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "spec": spec}
        objects.append(Object({**raw, "metadata": {"name": f"policy-{index}", "namespace": "n"}}))
    world = World(expected(objects))
    for pair in pairs(world):
        source, destination = world.policies.pods.get(pair.source), world.policies.pods.get(pair.destination)
        assert source is not None
        assert destination is not None
        direct = evaluate(
            world.policies,
            Party(source.addresses[0], source.node, source.key),
            Party(destination.addresses[0], destination.node, destination.key),
            pair.protocol,
            pair.port,
        )
        assert direct.allowed == pair.allowed


def test_rendered_for_people() -> None:
    shut = Attempt("uid", "a → b 80/TCP", "10.244.1.2", 80, "TCP", False, "b is isolated", "policy.yaml:7")
    console = Console(width=120, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    console.print(render_report(Report(10, 4, (Disagreement(shut, "answered"),))))
    console.print(render_report(Report(10, 4, ())))
    text = console.export_text()
    assert "1 disagreement: 10 connections tried" in text
    assert "a → b 80/TCP should get no answer, was answered: b is isolated policy.yaml:7" in " ".join(text.split())
    assert "0 disagreements" in text
