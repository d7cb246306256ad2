"""A command line that cannot be understood is answered with one line and exit code 2."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sealane.cli import main
from sealane.cli.app import app


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("upp", "No such command 'upp'. Did you mean 'up'?; see sealane -h"),
        ("up --nod 2", "No such option: --nod (Possible options: --nodes); see sealane up -h"),
        ("up --nodes 0", "Invalid value for '--nodes': 0 is not in the range 1<=x<=200; see sealane up -h"),
        ("exec", "Missing argument"),
        ("run examples/shop", "run: no command; give it after --, as in: sealane run examples/shop -- pytest"),
        ("run --", "run: nothing follows --"),
        ("status --name Bad/Name", "cluster name 'Bad/Name': expected lower-case letters, digits and '-'"),
        ("up --dns-upstream foo", "--dns-upstream: 'foo' is no DNS server"),
        ("up no-such-file.yaml --dns-upstream 1.2.3.4:x", "--dns-upstream: "),
    ],
)
def test_one_line(
    line: str, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("SEALANE_HOME", str(tmp_path))
    monkeypatch.setattr("sys.argv", ["sealane", *line.split()])
    with pytest.raises(SystemExit) as ended:
        main()
    out, err = capsys.readouterr()
    assert (ended.value.code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"sealane: {said.partition(';')[0][:60]}")
    assert list(tmp_path.iterdir()) == []


def test_a_node_port_of_many_nodes_is_one_line() -> None:
    from sealane.cli.status import _grouped

    def rows(count: int, port: int) -> list[dict[str, Any]]:
        return [{"what": "Service shop/web", "address": f"172.18.1.{node}:{port}"} for node in range(count)]

    shown = _grouped([*rows(3, 30080), *rows(7, 30443)])
    assert [(each["address"], further) for each, further in shown] == [
        ("172.18.1.0:30080", 0),
        ("172.18.1.1:30080", 0),
        ("172.18.1.2:30080", 0),
        ("172.18.1.0:30443", 6),
    ]


@pytest.mark.parametrize("command", ["", *(each.name or each.callback.__name__ for each in app.registered_commands)])
def test_every_command_helps(command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["sealane", *filter(None, [command]), "--help"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    assert capsys.readouterr().out.lstrip().startswith("Usage: ")
