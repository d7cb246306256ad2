"""Who can reach whom in the shop, in every form."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from sealane.cli import explain
from sealane.cluster import bootstrap
from sealane.explain.expect import expected
from sealane.explain.reach_report import Row, as_csv, as_dot, as_json, as_table, rows
from sealane.explain.world import World
from sealane.kube.manifests import load
from sealane.kube.objects import Object

SHOP = Path(__file__).parents[3] / "examples" / "shop"


@pytest.fixture(scope="module")
def found() -> list[Row]:
    cluster = [Object(raw) for _, raw in bootstrap.objects(2)]
    return rows(World(expected([*cluster, *load([SHOP]).objects])), "shop")


def test_pods_of_a_workload_are_one(found: list[Row]) -> None:
    frontend = [row for row in found if (row.source, row.destination) == ("shop/frontend", "shop/cart")]
    assert [(row.what, row.verdict, row.pairs) for row in frontend] == [("8080/TCP", "allowed", 6)]
    database = {row.verdict for row in found if (row.source, row.destination) == ("shop/frontend", "shop/database")}
    assert database == {"denied"}
    assert any(row.source.startswith("kube-system/") for row in found)
    spaces = {name.partition("/")[0] for row in found for name in (row.source, row.destination)}
    assert "shop" in spaces


def test_forms(found: list[Row]) -> None:
    assert as_json(found)[0].keys() == {"from", "to", "port", "protocol", "verdict", "pairs"}
    lines = list(csv.DictReader(as_csv(found).splitlines()))
    assert len(lines) == len(found)
    assert {line["verdict"] for line in lines} >= {"allowed", "denied"}
    assert '  "shop/frontend" -> "shop/cart" [label="8080/TCP"];' in as_dot(found)
    assert '"shop/frontend" -> "shop/database"' not in as_dot(found)
    assert ("shop/frontend", "shop/cart", "8080/TCP", "") in as_table(found)


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert explain.reach([str(SHOP)], "", "", "", "json", everything=False) == 0
    found = json.loads(capsys.readouterr().out)
    allowed = {(row["from"], row["to"]) for row in found if row["verdict"] == "allowed"}
    assert ("shop/frontend", "shop/cart") in allowed
    assert ("shop/frontend", "shop/database") not in allowed
    assert not any("kube-system" in row["from"] + row["to"] for row in found)
    assert explain.reach([str(SHOP)], "", "", "", "table", everything=True) == 0
    assert "kube-system/coredns" in capsys.readouterr().out
