"""The places where the store's objects outlive the process: SQLite, or etcd.

The store keeps every object in memory and is the only writer; a backend loads all of it once, then makes one batch of
changes after the other durable. Nothing above the store knows which backend there is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol, TypeAlias

Resource: TypeAlias = tuple[str, str]
"""API group and plural: where objects are kept, whatever version they are asked for in."""


class Address(NamedTuple):
    resource: Resource
    namespace: str
    name: str


class Change(NamedTuple):
    """data: the object as JSON; None when it is deleted."""

    address: Address
    data: bytes | None


class StorageError(OSError):
    """A commit was refused (disk full, file gone, etcd out of reach). Nothing of it was acknowledged."""


class StoreDamaged(StorageError):
    """The stored objects cannot be read; the message says what to do."""


class Backend(Protocol):
    """Used by one thread at a time. Every method may block.

    largest: bytes of one object that it takes.
    """

    largest: int

    def load(self) -> tuple[int, Iterator[tuple[Address, bytes]]]:
        """The version of the last commit (0 for a new store) and every object. Raises StorageError."""
        ...

    def commit(self, changes: Sequence[Change], version: int) -> None:
        """Makes `changes`, of different addresses, and `version` durable, all or (as far as a later `load` sees,
        when this process dies meanwhile) some of them. Raises StorageError when it is not known that they are.
        """
        ...

    def tidy(self) -> None:
        """Gives back what deleted objects took; asked now and then. Raises StorageError."""
        ...

    def close(self) -> None: ...
