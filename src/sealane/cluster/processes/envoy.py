"""Envoy, which the process becomes."""

from __future__ import annotations

import os

from sealane.cluster.state import Folder


def run(folder: Folder) -> None:
    """Becomes Envoy. Does not return."""
    from sealane.dataplane.envoy import bootstrap

    argv = bootstrap.command(str(folder.xds_socket))
    os.execvp(argv[0], argv)
