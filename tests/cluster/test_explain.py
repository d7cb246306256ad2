"""`sealane trace` and `sealane verify` on a running shop, and what they say once somebody breaks a rule by hand."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from sealane.testing.cluster import Cluster, Done, run

SHOP = Path(__file__).parents[2] / "examples/shop"
pytestmark = pytest.mark.sealane(SHOP, nodes=3)


def in_node(sealane: Cluster, node: str, *command: str) -> Done:
    """Runs `command` in a node's network namespace, past Sealane."""
    status = sealane.status()
    pid = next(process["pid"] for process in status["processes"] if process["role"] == "nodes")
    enter = ["nsenter", f"--target={pid}", "--mount"]
    if os.stat(f"/proc/{pid}/ns/user").st_ino != os.stat("/proc/self/ns/user").st_ino:
        enter += ["--user", "--preserve-credentials"]
    return run([*enter, "nsenter", f"--net={status['folder']}/run/netns/{node}", *command]).check()


def test_trace_on_files_and_on_the_cluster_agree(sealane: Cluster) -> None:
    for source, target, code in (
        ("deploy/frontend", "http://cart-service/items", 0),
        ("deploy/checkout", "cart-service", 1),
        ("deploy/cart", "database-0.database:5432", 0),
        ("deploy/frontend", "database:5432", 1),
        ("outside", "http://shop.example.com/cart", 0),
        ("deploy/frontnd", "cart-service", 2),
    ):
        live = sealane.sealane("trace", "-n", "shop", "-o", "json", source, target)
        files = sealane.sealane("trace", "-n", "shop", "-o", "json", source, target, str(SHOP))
        assert (live.code, files.code) == (code, code), (live, files)
        if code == 2:
            assert live.err == files.err
            assert "did you mean frontend?" in live.err
            continue
        hops = [[(step["hop"], step["mark"]) for step in json.loads(done.out)["steps"]] for done in (live, files)]
        assert hops[0] == hops[1]
        lines = [{step.get("at") for step in json.loads(done.out)["steps"]} for done in (live, files)]
        assert lines[0] == lines[1]


def test_a_refusal_names_the_line_that_is_in_the_way(sealane: Cluster) -> None:
    done = sealane.sealane("trace", "-n", "shop", "-o", "json", "deploy/checkout", "cart-service")
    stop = next(step for step in done.json()["steps"] if step["mark"] == "stop")
    file, _, line = stop["at"].rpartition(":")
    assert file.endswith("40-policies.yaml")
    assert Path(file).read_text().splitlines()[int(line) - 1].strip() == "tier: data"  # of whom it may reach


def test_verify_agrees_and_then_sees_what_was_broken(sealane: Cluster) -> None:
    done = sealane.sealane("verify", "-o", "json")
    report = done.json()
    assert (done.code, report["disagreements"]) == (0, []), done.out
    assert report["allowed"] > 50
    assert report["denied"] > 50

    for node in ("node-1", "node-2", "node-3"):
        chains = json.loads(in_node(sealane, node, "nft", "-j", "list", "chains").out)["nftables"]
        for chain in (item["chain"] for item in chains if "chain" in item):
            if "web-to-app" in chain["name"]:
                in_node(sealane, node, "nft", "flush", "chain", chain["family"], chain["table"], chain["name"])
    done = sealane.sealane("verify", "-o", "json")
    broken = done.json()["disagreements"]
    assert done.code == 1
    assert broken
    assert all(each["what"].startswith("shop/frontend-") for each in broken)
    assert {each["observed"] for each in broken} == {"silent"}
    assert any(each["at"].rpartition(":")[0].endswith("40-policies.yaml") for each in broken)
