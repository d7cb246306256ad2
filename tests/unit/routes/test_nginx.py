"""The class of ingress-nginx: every row of annotations, as the routing model decides."""

from __future__ import annotations

from pathlib import Path

import pytest

from nginx_rows import CLASS, ROWS, Ask, Row, services
from sealane.kube.objects import Object
from sealane.network.routes.evaluate import Request, evaluate
from sealane.network.routes.ingress.nginx.table import TABLE
from sealane.network.routes.model.l4 import INGRESS_PROXY
from sealane.network.routes.routing import Routing, routing_of

DOCUMENTED = Path(__file__).parents[4] / "shared/data/ingress-nginx-annotations.tsv"


def routing(row: Row) -> Routing:
    return routing_of(Object(raw) for raw in [CLASS, *services(), *row.objects()])


CASES = [pytest.param(row, ask, id=f"{row.name} {ask.method} {ask.path}") for row in ROWS for ask in row.asks]


@pytest.mark.parametrize(("row", "ask"), CASES)
def test_requests(row: Row, ask: Ask) -> None:
    found = evaluate(
        routing(row).hosts,
        Request(INGRESS_PROXY, 80, ask.host or row.host, ask.path, ask.method, ask.sent, client="172.18.0.1"),
    )
    assert found.status == (0 if ask.backend else ask.status), found.reasons
    assert {each.service.name for each in found.backends} == ({ask.backend} if ask.backend else set())
    assert found.location == ask.location
    if ask.seen:
        assert found.request.path == ask.seen
    headers = found.rule.response_headers if found.rule is not None else None
    told = dict(headers.set + headers.add) if headers is not None else {}
    if headers is not None:
        told |= {name: dict(ask.sent).get(asked, "") for name, asked in headers.echo}
    assert {name: told.get(name, "") for name, _ in ask.headers} == dict(ask.headers)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_remarks(row: Row) -> None:
    found = routing(row).ingresses
    assert [text for _, each in sorted(found.items()) for text in each.remarks] == list(row.remarks)
    assert not any(each.problems for each in found.values())


def test_an_expression_that_looks_ahead_is_named() -> None:
    row = Row("ahead", (({"use-regex": "true"}, (("/(?!x)", "ImplementationSpecific", "a"),)),), ())
    found = routing(row)
    [[problem]] = [each.problems for each in found.ingresses.values()]
    assert problem.startswith("path /(?!x) is left out, it is no regular expression here: ")
    assert evaluate(found.hosts, Request(INGRESS_PROXY, 80, "ahead.example", "/y")).status == 404


@pytest.mark.skipif(not DOCUMENTED.exists(), reason="the list of documented annotations is not here")
def test_every_documented_annotation_is_in_the_table() -> None:
    lines = DOCUMENTED.read_text().splitlines()[1:]
    assert {line.partition("\t")[0].rpartition("/")[2] for line in lines} - set(TABLE) == set()
