"""For all tests: the plugin, also where Sealane is not installed (PYTHONPATH=src), and the profile of Hypothesis."""

import os
import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

pytest.register_assert_rewrite("play")
pytest_plugins = ["sealane.testing.plugin"]

# How fast a busy machine draws examples says nothing about the code.
settings.register_profile("sealane", deadline=None, suppress_health_check=[HealthCheck.too_slow])
# CI judges a commit, so it draws the same examples each time; a developer's runs go on looking for new ones.
settings.register_profile("ci", settings.get_profile("sealane"), derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "sealane")

for name in ("COLUMNS", "LINES"):  # readline sets them, also for processes of pytest-xdist; our terminals have sizes
    os.environ.pop(name, None)

# What a shell starts in the background ignores Ctrl-C, and so would all that the tests start.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

UNIT = Path(__file__).parent / "unit"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Modules with clusters first, which take longest: the short ones fill what time is left on every worker."""
    items.sort(key=lambda item: UNIT in item.path.parents)
