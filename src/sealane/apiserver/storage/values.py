"""Values of the store: one state of an object, one committed write."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

import msgspec

from sealane.apiserver.storage.backends import Address
from sealane.kube.objects import Object

EventType: TypeAlias = Literal["ADDED", "MODIFIED", "DELETED"]


encode = msgspec.json.Encoder().encode


class Stored(NamedTuple):
    """One state of one object: its resourceVersion, parsed and as JSON bytes."""

    version: int
    object: Object
    data: bytes


class Event(NamedTuple):
    """One committed write. `stored` of a DELETED event is the last state, with the resourceVersion of the deletion."""

    type: EventType
    address: Address
    stored: Stored
    before: Stored | None
