"""Addresses of clients that are served."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address, ip_network


@dataclass(frozen=True, slots=True)
class Ranges:
    """Networks (CIDR). deny comes first; without `allow` everybody else is served. Others get 403."""

    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()

    def __str__(self) -> str:
        parts = [f"clients of {', '.join(self.allow)} only"] if self.allow else []
        parts += [f"no clients of {', '.join(self.deny)}"] if self.deny else []
        return " and ".join(parts)

    def admits(self, address: str) -> bool:
        found = ip_address(address)
        if any(found in ip_network(each) for each in self.deny):
            return False
        return not self.allow or any(found in ip_network(each) for each in self.allow)
