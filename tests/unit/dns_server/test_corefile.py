"""Golden pairs: a Corefile and the blocks in it; and what is said about a bad one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealane.dataplane.dns.corefile import CorefileError, Directive, parse, zones_of

CASES = Path(__file__).parent / "cases"
FILES = {"log.override": "log\nhosts {\n  192.0.2.1 a\n}\n", "other.server": "b:53 {\n}\n"}
ENVIRONMENT = {"UPSTREAM": "192.0.2.53", "TAIL": "!"}


def shape(directive: Directive) -> Any:
    found: list[Any] = [directive.line, directive.name, *directive.args]
    return [*found, [shape(inner) for inner in directive.block]] if directive.block else found


@pytest.mark.parametrize("case", sorted(CASES.glob("*.in.Corefile")), ids=lambda path: path.name.partition(".")[0])
def test_golden(case: Path) -> None:
    blocks = parse(case.read_text(), "Corefile", FILES, ENVIRONMENT)
    found = [
        {
            "line": block.line,
            "servers": [f"{server.scheme}://{server.zone}.:{server.port}" for server in block.servers],
            "directives": [shape(directive) for directive in block.directives],
        }
        for block in blocks
    ]
    assert found == json.loads(case.with_name(case.name.replace(".in.Corefile", ".out.json")).read_text())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (". {\n  errors\n", "Corefile:1: '{' is not closed"),
        (".\n", "Corefile:1: expected '{' after '.'"),
        ("}\n", "Corefile:1: '}' closes nothing"),
        (". {\n}\n}\n", "Corefile:3: '}' closes nothing"),
        ("{\n}\n", "Corefile:1: a server block begins with its zone, like '.:53 {'"),
        ('. {\n log "a\n}\n', "Corefile:2: a quotation mark is not closed"),
        (
            "(common) {\n}\n. {\n import comon\n}\n",
            "Corefile:4: import: no snippet or file is named 'comon': did you mean 'common'?",
        ),
        (". {\n forward . 192.0.2.1 { force_tcp\n }\n}\n", "Corefile:2: '{' does not stand at the end of its line"),
        (".:70000 {\n}\n", "Corefile:1: 70000 is no port"),
        ("ftp://. {\n}\n", "Corefile:1: unknown scheme 'ftp': expected one of dns, tls, quic, https, https3, grpc"),
        ("import circle\n", "circle:1: import circle: imports itself"),
        (". {\n import inner\n}\n", "inner:1: import inner: imports itself"),
    ],
)
def test_what_is_said_about_a_bad_one(text: str, said: str) -> None:
    with pytest.raises(CorefileError) as caught:
        parse(text, files={"circle": "import circle\n", "inner": "import inner\n"})
    assert str(caught.value) == said


@pytest.mark.parametrize(
    ("text", "zones"),
    [
        (".", ("",)),
        ("Example.ORG.", ("example.org",)),
        ("10.0.0.0/24", ("0.0.10.in-addr.arpa",)),
        ("10.2.0.0/15", ("2.10.in-addr.arpa", "3.10.in-addr.arpa")),
        ("2001:db8::/32", ("8.b.d.0.1.0.0.2.ip6.arpa",)),
    ],
)
def test_zones(text: str, zones: tuple[str, ...]) -> None:
    assert zones_of(text) == zones


@given(st.text(alphabet='.:53{}()#"\\$% \nabimport', max_size=60))
def test_any_text_is_read_or_refused_with_a_line(text: str) -> None:
    line = 1
    try:
        parse(text)
    except CorefileError as error:
        line = error.line
    assert 1 <= line <= text.count("\n") + 1
