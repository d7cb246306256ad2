"""A command line that cannot be understood is answered with one line and exit code 2."""

from __future__ import annotations

from pathlib import Path

import pytest

from sealane.cli import main


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("upp", "No such command 'upp'. Did you mean 'up'?; see sealane -h"),
        ("up --nod 2", "No such option: --nod (Possible options: --nodes); see sealane up -h"),
        ("up --nodes 0", "Invalid value for '--nodes': Input should be greater than or equal to 1; see sealane up -h"),
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
