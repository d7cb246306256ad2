"""The class of ingress-nginx: every row of annotations, as Envoy answers; what is not heard is said in Events."""

from __future__ import annotations

import json
from typing import Any

import pytest

from nginx_rows import ROWS, Row, services
from sealane.testing.cluster import Cluster, eventually

ASK = """
import http.client, json, sys
address, asks = sys.argv[1], json.loads(sys.argv[2])
found = []
for host, method, path, sent in asks:
    connection = http.client.HTTPConnection(address, 80, timeout=10)
    body = dict(sent).get("content-length")
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    for name, value in [("Host", host), *sent]:
        connection.putheader(name, value)
    connection.endheaders()
    try:
        connection.send(b"x" * int(body or 0))
    except OSError:
        pass
    answer = connection.getresponse()
    text = answer.read().decode()
    found.append([answer.status, dict((name.lower(), value) for name, value in answer.getheaders()), text])
print(json.dumps(found))
"""
pytestmark = pytest.mark.sealane(nodes=1)


@pytest.fixture(scope="module")
def address(sealane: Cluster) -> str:
    objects = [*services(), *(raw for row in ROWS for raw in row.objects())]
    manifests = "\n---\n".join(json.dumps(raw) for raw in objects)
    sealane.sealane("up", "-", "--ingress-class", "nginx", stdin=manifests).check()

    def found() -> str:
        status = sealane.get("ingress", "usual-0", "default")["status"]
        return str(status["loadBalancer"]["ingress"][0]["ip"])

    return eventually(found)


def answers(sealane: Cluster, address: str, row: Row) -> list[tuple[int, dict[str, str], dict[str, Any]]]:
    asks = [(ask.host or row.host, ask.method, ask.path, ask.sent) for ask in row.asks]
    done = sealane.sealane("run", "--", "python3", "-c", ASK, address, json.dumps(asks)).check()
    return [
        (status, headers, json.loads(text) if text.startswith("{") else {})
        for status, headers, text in json.loads(done.out)
    ]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_requests(sealane: Cluster, address: str, row: Row) -> None:
    def same() -> bool:
        for ask, (status, headers, seen) in zip(row.asks, answers(sealane, address, row), strict=True):
            assert (ask.path, status) == (ask.path, ask.status)
            assert seen.get("pod", "") == ask.backend
            assert headers.get("location", "") == ask.location
            assert not ask.seen or seen["path"] == ask.seen
            assert {name: headers.get(name, "") for name, _ in ask.headers} == dict(ask.headers)
        return True

    eventually(same, seconds=20)


def test_what_backends_are_told(sealane: Cluster, address: str) -> None:
    row = next(row for row in ROWS if row.name == "vhost")
    [(_, _, seen)] = answers(sealane, address, row)
    headers = {name.lower(): value for name, value in seen["headers"].items()}
    assert headers["host"] == "inner.example"
    assert headers["x-forwarded-prefix"] == "/p"


def test_more_requests_than_the_limit_get_503(sealane: Cluster, address: str) -> None:
    """Six at once and one a second more: of forty some pass, and most do not."""
    row = next(row for row in ROWS if row.name == "limited")
    found = [status for status, _, _ in answers(sealane, address, row._replace(asks=row.asks * 40))]
    assert set(found) == {200, 503}
    assert found.count(200) >= 5, found
    assert found.count(503) >= 20, found


def test_events(sealane: Cluster, address: str) -> None:
    wanted = sorted((f"{row.name}-0", text) for row in ROWS for text in row.remarks)

    def told() -> list[tuple[str, str]]:
        found = sealane.get("events", "", "default")["items"]
        about = [(each["involvedObject"]["name"], each["message"]) for each in found if each["type"] == "Warning"]
        return sorted(each for each in about if each[0].rpartition("-")[0] in {row.name for row in ROWS})

    assert eventually(lambda: told() if len(told()) >= len(wanted) else []) == wanted
