"""`sealane trace` and `reach` on files with policies of kinds that are not modelled."""

from __future__ import annotations

from pathlib import Path

import pytest

from sealane.cli.explain import reach, trace
from sealane.cli.say import BAD_INPUT, OK, UNKNOWN

CASE = Path(__file__).parents[1] / "cases/policy-admin-older/objects.yaml"
CILIUM = """\
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: other, namespace: shop}
spec:
  endpointSelector: {}
"""


def test_they_are_told_with_file_and_line_and_an_exit_code_of_their_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "cilium.yaml"
    file.write_text(CILIUM)
    told = f"warning: {file}:4: CiliumNetworkPolicy shop/other is not modelled: no answer counts it\n"
    asked = ("pod/ops/probe", "pod/shop/web", [str(CASE), str(file)], "default", "9000", "", "")
    assert trace(*asked, as_json=False) == UNKNOWN
    assert capsys.readouterr().err == told
    assert reach([str(CASE), str(file)], "", "", "", "csv", everything=False) == UNKNOWN
    assert capsys.readouterr().err == told
    assert reach([str(CASE)], "", "", "", "csv", everything=False) == OK


def test_other_unknown_kinds_are_bad_input(tmp_path: Path) -> None:
    file = tmp_path / "other.yaml"
    file.write_text(CILIUM.replace("CiliumNetworkPolicy", "CiliumNode"))
    assert reach([str(CASE), str(file)], "", "", "", "csv", everything=False) == BAD_INPUT
