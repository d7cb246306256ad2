"""No module imports itself by way of others. Which room may import which is in `[tool.importlinter]`."""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter

import grimp
import pytest


def test_there_is_no_circle() -> None:
    graph = grimp.build_graph("sealane", exclude_type_checking_imports=True)
    imported = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    try:
        TopologicalSorter(imported).prepare()
    except CycleError as error:
        pytest.fail(" ← ".join(error.args[1]))
