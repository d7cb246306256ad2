"""Which stand-ins bare network manifests get."""

from __future__ import annotations

from typing import Any

import yaml

from sealane.controllers.workloads.populate import populate
from sealane.kube.objects import Object, Raw

SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: checkout, namespace: shop}
spec:
  selector: {app: checkout, tier: web}
  ports:
  - {name: a, port: 80, targetPort: http}
  - {name: b, port: 9090}
  - {name: c, port: 53, protocol: UDP, targetPort: 5353}
"""
POLICY = """
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db, namespace: shop}
spec:
  podSelector: {matchLabels: {app: db}}
  ingress:
  - ports: [{port: 5432, protocol: TCP}]
    from:
    - podSelector: {matchExpressions: [{key: app, operator: In, values: [checkout, cart]}]}
    - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}
      podSelector: {matchLabels: {role: scraper}}
  egress:
  - to: [{podSelector: {matchLabels: {app: backup}}}]
    ports: [{port: 873}]
"""
NAMESPACE = """
apiVersion: v1
kind: Namespace
metadata: {name: monitoring}
"""


def objects(*texts: str) -> list[Object]:
    return [Object(raw) for text in texts for raw in yaml.safe_load_all(text)]


def brief(made: list[Raw]) -> dict[str, Any]:
    return {
        f"{raw['metadata']['namespace']}/{raw['metadata']['name']}": (
            raw["spec"]["template"]["metadata"]["labels"],
            sorted(
                (port["containerPort"], port["protocol"], port.get("name", ""))
                for port in raw["spec"]["template"]["spec"]["containers"][0]["ports"]
            ),
        )
        for raw in made
    }


def test_a_service_gets_pods_that_serve_its_target_ports() -> None:
    assert brief(populate(objects(SERVICE))) == {
        "shop/checkout": (
            {"app": "checkout", "tier": "web"},
            [(80, "TCP", "http"), (5353, "UDP", ""), (9090, "TCP", "")],
        )
    }


def test_a_policy_gets_its_pods_and_its_peers() -> None:
    assert brief(populate(objects(POLICY, NAMESPACE))) == {
        "shop/db": ({"app": "db"}, [(5432, "TCP", "")]),
        "shop/cart": ({"app": "cart"}, [(80, "TCP", "")]),
        "shop/backup": ({"app": "backup"}, [(873, "TCP", "")]),
        "monitoring/scraper": ({"role": "scraper"}, [(80, "TCP", "")]),
    }


def test_one_stand_in_meets_several_selectors() -> None:
    made = brief(populate(objects(SERVICE, POLICY)))
    assert set(made) == {"shop/checkout", "shop/db", "shop/backup"}


def test_nothing_is_made_for_what_is_there() -> None:
    deployment = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: anything, namespace: shop}
spec:
  selector: {matchLabels: {app: checkout}}
  template: {metadata: {labels: {app: checkout, tier: web, more: "1"}}, spec: {containers: []}}
"""
    assert populate(objects(SERVICE, deployment)) == []
    assert populate(objects(SERVICE, deployment.replace("shop", "elsewhere"))) != []


def test_selectors_that_no_label_can_meet_are_left_alone() -> None:
    everything = POLICY.replace("{matchLabels: {app: db}}", "{}")
    assert "shop/pod" not in brief(populate(objects(everything)))
    absent = SERVICE.replace("selector: {app: checkout, tier: web}", "selector: {}")
    assert populate(objects(absent)) == []


def test_a_taken_name_is_not_taken_twice() -> None:
    other = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: checkout, namespace: shop}
spec: {template: {metadata: {labels: {app: other}}}}
"""
    (made,) = populate(objects(SERVICE, other))
    assert made["metadata"]["name"].startswith("checkout-")


def test_pods_of_the_cluster_count_and_its_stand_ins_are_made_again() -> None:
    (first,) = populate(objects(SERVICE))
    assert populate(objects(SERVICE), [Object(first)]) == [first]
    grown = {**first, "metadata": {"name": "by-hand", "namespace": "shop"}}
    assert populate(objects(SERVICE), [Object(grown)]) == []


def test_the_name_of_a_stand_in_for_other_labels_is_left_to_it() -> None:
    (first,) = populate(objects(SERVICE))
    (second,) = populate(objects(SERVICE.replace("tier: web", "tier: api")), [Object(first)])
    assert second["metadata"]["name"].startswith("checkout-")


def test_a_stand_in_of_the_same_labels_is_kept_and_serves_what_it_did() -> None:
    (first,) = populate(objects(SERVICE))
    other = SERVICE.replace("name: checkout", "name: pay").replace("port: 9090", "port: 7070")
    (second,) = populate(objects(other), [Object(first)])
    assert second["metadata"]["name"] == "checkout"
    assert brief([second])["shop/checkout"][1] == [
        (80, "TCP", "http"),
        (5353, "UDP", ""),
        (7070, "TCP", ""),
        (9090, "TCP", ""),
    ]
