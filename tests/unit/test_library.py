"""`from sealane import …`: what programs use."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import sealane
from sealane import BadManifests, Network, Unknown, load, trace
from sealane.kube.kinds import NETWORKPOLICY

ROOT = Path(__file__).parents[2]
SHOP = ROOT / "examples" / "shop"


def test_the_example() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "examples" / "library.py"], capture_output=True, text=True, check=True, timeout=60
    )
    assert "Service shop/cart-service http 80/TCP" in done.stdout
    assert "deploy/frontend to cart-service: allowed" in done.stdout
    assert "deploy/checkout to cart-service: denied: shop/cart-0 is isolated" in done.stdout
    assert "  egress: 40-policies.yaml:99" in done.stdout


def test_the_command_does_not_import_the_library() -> None:
    code = "import sys, sealane.cli; print('sealane.explain' in sys.modules, 'sealane.network' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == ["False", "False"]


def test_objects_know_their_lines() -> None:
    (policy,) = [item for item in load(SHOP) if item.key.kind == "NetworkPolicy" and item.name == "allow-gateway"]
    assert policy.origin is not None
    assert policy.origin.at("spec", "ingress", 0).startswith(f"{SHOP / '40-policies.yaml'}:")


def test_what_is_wrong_is_said_with_its_line(tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec:\n  ports: [{prt: 80}]\n")
    with pytest.raises(BadManifests, match=r"bad.yaml:5: Service web: spec.ports"):
        load(bad)


def test_a_changed_network_answers_anew() -> None:
    network = Network.of(load(SHOP))
    assert trace(network, "deploy/checkout", "svc/cart-service", namespace="shop").verdict == "denied"
    policies = network.objects[NETWORKPOLICY]
    for key in list(policies):
        policies.remove(key)
    assert trace(network, "deploy/checkout", "svc/cart-service", namespace="shop").verdict == "allowed"


def test_a_party_that_is_not_there() -> None:
    with pytest.raises(Unknown, match="frontent"):
        trace(Network.of(load(SHOP)), "deploy/frontent", "svc/cart-service", namespace="shop")


def test_what_is_not_exported_is_not_there() -> None:
    assert {"load", "trace", "Network"} <= set(dir(sealane))
    with pytest.raises(AttributeError):
        sealane.nothing  # noqa: B018
