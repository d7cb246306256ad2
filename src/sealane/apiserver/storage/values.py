"""Values of the store: one state of an object, one committed write."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

import msgspec

from sealane.apiserver.storage.backends import Address
from sealane.kube.objects import Object, Raw

EventType: TypeAlias = Literal["ADDED", "MODIFIED", "DELETED"]


encode = msgspec.json.Encoder().encode
_decode: msgspec.json.Decoder[Raw] = msgspec.json.Decoder(Raw)


class Stored:
    """One state of one object: its resourceVersion, parsed and as JSON bytes. Immutable by agreement."""

    __slots__ = ("_parsed", "data", "version")

    def __init__(self, version: int, parsed: Object | None, data: bytes) -> None:
        self.version = version
        self._parsed = parsed
        self.data = data

    @property
    def object(self) -> Object:
        """Parsed anew each time by a state that keeps its bytes only."""
        return self._parsed if self._parsed is not None else Object(_decode.decode(self.data))

    def packed(self) -> Stored:
        """The same state by its bytes only, a fifth of the memory: for what is hardly ever read again."""
        return Stored(self.version, None, self.data)


class Event(NamedTuple):
    """One committed write. `stored` of a DELETED event is the last state, with the resourceVersion of the deletion."""

    type: EventType
    address: Address
    stored: Stored
    before: Stored | None
