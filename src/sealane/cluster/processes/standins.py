"""The stand-ins of images: one process serves the sockets of all."""

from __future__ import annotations

from sealane.cluster.state import Folder
from sealane.cluster.supervisor import Channel


def run(folder: Folder, channel: Channel) -> None:
    """Serves until the process ends."""
    from sealane.dataplane.pods.standins import server

    server.main(str(folder.handoff_socket), channel.ready)
