"""Golden pairs: NAME.in.yaml holds objects, NAME.out.yaml the zone they make. `UPDATE_GOLDEN=1` writes the latter."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml

from sealane.kube.objects import Key, Object
from sealane.network.names import ZoneData, cluster_names
from sealane.network.names.records import start_of_authority, zone_apex
from sealane.reactive.collections import Graph, Source

CASES = sorted((Path(__file__).parent / "golden").glob("*.in.yaml"))


def zone_data(objects: list[Object]) -> list[ZoneData]:
    graph = Graph()
    kinds = {kind: Source[Key, Object](graph, kind) for kind in ("Service", "EndpointSlice", "Namespace")}
    for item in objects:
        kinds[item.kind].set(item.key, item)
    made = cluster_names(kinds["Service"], kinds["EndpointSlice"], kinds["Namespace"])
    return [data for collection in made for data in collection.values()]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.removesuffix(".in.yaml"))
def test_records(case: Path) -> None:
    objects = [Object(raw) for raw in yaml.safe_load_all(case.read_text())]
    data = zone_data(objects)
    records = sorted(str(record) for item in data for record in item.records)
    empty = sorted(name for item in data for name in item.empty)
    out = case.with_name(case.name.replace(".in.", ".out."))
    found = {"records": records, "empty": empty}
    if os.environ.get("UPDATE_GOLDEN"):
        out.write_text(yaml.safe_dump(found, sort_keys=False, width=200))
    assert found == yaml.safe_load(out.read_text())


def test_the_apex_says_the_version_of_the_specification() -> None:
    records = [str(record) for record in zone_apex(["10.96.0.10", "fd00:10:96::a"]).records]
    assert 'dns-version.cluster.local. 5 IN TXT "1.1.0"' in records
    assert "ns.dns.cluster.local. 5 IN AAAA fd00:10:96::a" in records


def test_negative_answers_are_kept_as_long_as_others() -> None:
    assert str(start_of_authority(7, ttl=30)) == (
        "cluster.local. 30 IN SOA ns.dns.cluster.local. hostmaster.cluster.local. 7 7200 1800 86400 30"
    )
