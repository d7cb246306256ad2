"""Addresses at which a node answers DNS itself: packets from and to them pass by conntrack, and so by all translation.

As the NOTRACK rules of NodeLocal DNSCache, which let it listen on the address of the kube-dns Service:
https://kubernetes.io/docs/tasks/administer-cluster/nodelocaldns/.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address

from sealane.dataplane.nft.libnftables import Nftables

TABLE = "node-local-dns"
PORT = 53


def untracked(addresses: Sequence[str]) -> str:
    """nft commands that make it so for these addresses alone, whatever there was before."""
    commands = [f"add table inet {TABLE}", f"delete table inet {TABLE}"]
    if addresses:
        rules = {"to": [], "from": []}  # type: dict[str, list[str]]
        for text in addresses:
            family = "ip" if ip_address(text).version == 4 else "ip6"
            for protocol in ("udp", "tcp"):
                rules["to"].append(f"{family} daddr {text} {protocol} dport {PORT} notrack")
                rules["from"].append(f"{family} saddr {text} {protocol} sport {PORT} notrack")
        commands += [
            f"add table inet {TABLE}",
            f"add chain inet {TABLE} prerouting {{ type filter hook prerouting priority raw; }}",
            f"add chain inet {TABLE} output {{ type filter hook output priority raw; }}",
            *(f"add rule inet {TABLE} prerouting {rule}" for rule in rules["to"]),
            *(f"add rule inet {TABLE} output {rule}" for rule in (*rules["to"], *rules["from"])),
        ]
    return "\n".join(commands) + "\n"


def untrack(addresses: Sequence[str]) -> None:
    """For the network namespace of the calling thread. Raises NftError."""
    nft = Nftables()
    try:
        nft.run(untracked(addresses))
    finally:
        nft.close()
