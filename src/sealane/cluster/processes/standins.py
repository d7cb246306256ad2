"""The stand-ins of images: one process serves the sockets of all."""

from __future__ import annotations

from sealane.cluster.state import Folder
from sealane.cluster.supervisor import Channel


async def run(folder: Folder, channel: Channel) -> None:
    """Serves until it is cancelled."""
    from sealane.dataplane.pods.standins import serve

    await serve(str(folder.handoff_socket), channel.ready)
