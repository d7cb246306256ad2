"""The cluster DNS server."""

from __future__ import annotations

from collections.abc import Sequence

from sealane.cluster.state import Folder, Options
from sealane.cluster.supervisor import Channel


async def run(folder: Folder, options: Options, channel: Channel) -> None:
    """Answers questions until it is cancelled."""
    from sealane.dataplane.dns import process
    from sealane.dataplane.dns.upstream import parse_upstream
    from sealane.kube.client.http import HttpClient

    try:
        parse_upstream(options.dns_upstream)
    except ValueError as error:
        channel.failed(f"--dns-upstream: {error}")
        return
    channel.ready()
    async with HttpClient.from_kubeconfig(folder.local_kubeconfig) as client:
        await process.serve(client, str(folder.handoff_socket), options.dns_upstream, folder.run, _untrack)


def _untrack(addresses: Sequence[str]) -> None:
    from sealane.dataplane.nft.libnftables import NftError  # Only clusters with a node-local cache need it.
    from sealane.dataplane.nft.untracked import untrack

    try:
        untrack(addresses)
    except NftError as error:
        raise OSError(str(error)) from error
