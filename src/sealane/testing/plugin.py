"""Fixtures for pytest. Installed with Sealane; nothing to import.

@pytest.mark.sealane("manifests/", nodes=2)   # on a module or a class: what its cluster starts with
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import count

import pytest

from sealane.testing.cluster import Cluster

_number = count(1)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "sealane(*paths, nodes=3): manifests and size of the cluster that the `sealane` fixture starts"
    )


@pytest.fixture(scope="module")
def sealane(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A running cluster, one for each module; stopped after the module's last test."""
    marker = request.node.get_closest_marker("sealane")
    paths = marker.args if marker else ()
    nodes = marker.kwargs.get("nodes", 3) if marker else 3
    cluster = Cluster(f"test-{os.getpid()}-{next(_number)}")
    try:
        cluster = Cluster.start(cluster.name, paths, nodes=nodes)
        yield cluster
    finally:
        cluster.sealane("down")
