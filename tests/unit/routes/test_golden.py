from pathlib import Path

import pytest
from golden import CASES, compile_case, dump, out_path


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.name.removesuffix(".in.yaml"))
def test_golden(case: Path) -> None:
    assert dump(compile_case(case)) == out_path(case).read_text()
