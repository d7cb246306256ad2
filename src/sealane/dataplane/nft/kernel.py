"""Writes to the kernel of one node: elements straight over netlink, the rest through libnftables.

All of it in the thread that lives in the node's namespace.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence

from sealane.dataplane.nft import answers, dump, policies, services
from sealane.dataplane.nft.batch import BatchSocket, TooLarge, delete, wake
from sealane.dataplane.nft.flows import Endpoint, Flow, FlowSocket, Target
from sealane.dataplane.nft.generations import TABLES, Generation, at_work, next_to, renamed
from sealane.dataplane.nft.libnftables import Nftables, NftError
from sealane.dataplane.nft.steps import Step

log = logging.getLogger(__name__)


class Kernel:
    """The tables of one network namespace. Contexts and sockets are opened when first needed."""

    def __init__(self) -> None:
        self._generation: Generation = ""
        self._context: Nftables | None = None
        self._batches: BatchSocket | None = None
        self._flows: FlowSocket | None = None

    def change(self, steps: Sequence[Step]) -> None:
        """All of it as one transaction. Raises TooLarge where the kernel does not take that much at once, NftError or
        OSError for what it refuses; then nothing was done."""
        if any(step.commands for step in steps):
            text = "".join(step.text(self._generation) for step in steps)
            if not self._nftables().fits(text):
                raise TooLarge
            self._nftables().run(text)
            return
        messages = [message for step in steps for message in step.messages(self._generation)]
        if messages:
            self._socket().apply(messages)

    def rewrite(self, steps: Sequence[Step]) -> None:
        """Writes all tables from nothing and puts them in the place of those that were there, if any were, at once.

        steps: of `Ledger.everything`. Raises NftError or OSError; then those before stand.
        """
        batches = self._socket()
        generation = next_to(at_work(batches.tables()))
        prepared = "".join(step.preparation(generation) for step in steps)
        self._nftables().run_in_parts(renamed(services.skeleton() + policies.skeleton(), generation) + prepared)
        for step in steps:
            batches.fill(step.messages(generation))
        new = [table + generation for table in TABLES]
        old = [name for name in batches.tables() if name not in new and name.removesuffix("-2") in TABLES]
        batches.apply([*map(wake, new), *map(delete, old)])
        self._generation = generation

    def forget(self, flows: Mapping[Target, frozenset[Endpoint]], local: Collection[str], complete: bool) -> None:
        """UDP flows that go where no endpoint serves any more. complete: `flows` holds all targets there are."""
        if self._flows is None:
            self._flows = FlowSocket()
        self._flows.forget(flows, local, complete=complete, moving=self._let_pass)

    def forget_ends(self, addresses: Collection[str]) -> None:
        """UDP flows of pods that had these addresses before."""
        if self._flows is None:
            self._flows = FlowSocket()
        self._flows.forget_ends(addresses)

    def _let_pass(self, flows: Sequence[Flow]) -> None:
        """Answers of these flows reach their clients although the flows are about to be forgotten."""
        try:
            for commands in answers.passing(flows):
                self._nftables().run(commands)
        except NftError as error:
            if len(flows) == 1:
                log.warning("an answer on its way is lost: %s", error)
            for flow in flows if len(flows) > 1 else ():
                self._let_pass([flow])

    def dump(self) -> dump.Dump:
        return dump.read(self._nftables(), self._generation)

    def _nftables(self) -> Nftables:
        if self._context is None:
            self._context = Nftables()
        return self._context

    def _socket(self) -> BatchSocket:
        if self._batches is None:
            self._batches = BatchSocket()
        return self._batches

    def close(self) -> None:
        for opened in (self._context, self._batches, self._flows):
            if opened is not None:
                opened.close()
        self._context = self._batches = self._flows = None
