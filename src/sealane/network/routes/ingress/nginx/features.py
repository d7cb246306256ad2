"""Features that change one rule at a time, in the order in which they are put around it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from sealane.network.routes.ingress.nginx import (
    access,
    affinity,
    cors,
    forwarding,
    protocol,
    redirects,
    snippet,
    timeouts,
)
from sealane.network.routes.ingress.nginx.reading import Reader
from sealane.network.routes.model.http import Rule


class Feature(NamedTuple):
    """read: what the annotations say, None for nothing. expand: the rules that a rule becomes, in their order."""

    read: Callable[[Reader], Any]
    expand: Callable[[Any, Rule], Iterable[Rule]]


INSIDE = (
    Feature(protocol.read, protocol.expand),
    Feature(forwarding.read, forwarding.expand),
    Feature(timeouts.read, timeouts.expand),
    Feature(affinity.read, affinity.expand),
    Feature(snippet.read, snippet.expand),
    Feature(redirects.read, redirects.expand),
)
"""Before requests without TLS are sent on to TLS."""

OUTSIDE = (
    Feature(access.read, access.expand),
    Feature(cors.read, cors.expand),
)
"""After that, when it is known what becomes of a request."""
