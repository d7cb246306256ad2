"""The shapes of kinds that the type checker reads say what the facts say."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

ROOT = Path(__file__).parents[3]
KUBE = ROOT / "src/sealane/kube"


def test_shapes_are_what_the_tool_makes_of_the_facts() -> None:
    spec = spec_from_file_location("shapes", ROOT / "tools/shapes.py")
    assert spec is not None
    assert spec.loader is not None
    tool = module_from_spec(spec)
    spec.loader.exec_module(tool)
    made = tool.shapes(json.loads((KUBE / "facts.json").read_text()))
    there = {path.name: path.read_text() for path in (KUBE / "shapes").glob("*.py")}
    assert sorted(there) == sorted(made)
    assert [name for name in made if made[name] != there[name]] == [], "run: python tools/shapes.py"


def test_nothing_imports_shapes_at_run_time() -> None:
    program = (
        "import sys, sealane.network.policies.networkpolicy, sealane.network.routes.routing\n"
        "import sealane.network.names.records\n"
        "print([name for name in sys.modules if name.startswith('sealane.kube.shapes')])"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
