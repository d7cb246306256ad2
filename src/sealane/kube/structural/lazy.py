"""Schemas that are read on first use. This module imports little: a cluster without custom kinds needs no more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sealane.kube.structural.node import Node


class Lazy:
    """A schema whose node is made when it is first asked for."""

    __slots__ = ("_node", "schema")

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self.schema = schema
        self._node: Node | None = None

    @property
    def node(self) -> Node:
        if self._node is None:
            from sealane.kube.structural.node import Node

            self._node = Node.of(self.schema)
        return self._node
