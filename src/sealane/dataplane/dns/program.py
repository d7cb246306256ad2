"""A Corefile ready to run: its configuration, and the tables that all servers which run it share."""

from __future__ import annotations

from collections.abc import Callable

from sealane.dataplane.dns.plugins.chain import Chain, Configuration
from sealane.dataplane.dns.plugins.kubernetes import Kubernetes
from sealane.dataplane.dns.table import Table

MakeTable = Callable[[Kubernetes, bool], Table]
"""The cluster's names as a plugin wants them; whether records take turns."""


class Program:
    """digest: of the Corefile's text, in hex.

    Each server block has a table of its own: what is prepared depends on its plugins.
    """

    def __init__(self, configuration: Configuration, table: MakeTable, digest: str = "") -> None:
        self.configuration = configuration
        self.digest = digest
        self._tables: dict[int, Table] = {}
        for chain in configuration.chains:
            if chain.kubernetes is not None and id(chain.kubernetes) not in self._tables:
                self._tables[id(chain.kubernetes)] = table(chain.kubernetes, chain.balanced)

    def table(self, chain: Chain) -> Table | None:
        """Of one of its chains; None without the plugin `kubernetes`."""
        return self._tables.get(id(chain.kubernetes)) if chain.kubernetes is not None else None

    def close(self) -> None:
        for table in self._tables.values():
            table.close()
