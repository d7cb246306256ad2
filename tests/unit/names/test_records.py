"""Records of the zone itself, and of Services; what Services have as names is in tests/unit/cases too."""

from __future__ import annotations

import pytest

from sealane.kube.objects import Object
from sealane.network.names.records import records_of_service, start_of_authority, zone_apex


def test_the_apex_says_the_version_of_the_specification() -> None:
    records = [str(record) for record in zone_apex(["10.96.0.10", "fd00:10:96::a"]).records]
    assert 'dns-version.cluster.local. 5 IN TXT "1.1.0"' in records
    assert "ns.dns.cluster.local. 5 IN AAAA fd00:10:96::a" in records


def test_negative_answers_are_kept_as_long_as_others() -> None:
    assert str(start_of_authority(7, ttl=30)) == (
        "cluster.local. 30 IN SOA ns.dns.cluster.local. hostmaster.cluster.local. 7 7200 1800 86400 30"
    )


@pytest.mark.parametrize(
    ("given", "alias"), [("API.Example.com.", "api.example.com."), ("192.0.2.7", ""), ("", "")], ids=str
)
def test_what_an_external_name_is_an_alias_of(given: str, alias: str) -> None:
    service = Object({"kind": "Service", "metadata": {"name": "a", "namespace": "shop"},
                      "spec": {"type": "ExternalName", "externalName": given}})  # fmt: skip
    assert [record.data for record in records_of_service(service, ()).records] == ([alias] if alias else [])
