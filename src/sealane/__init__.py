"""Sealane: all of Kubernetes networking, running for real on one machine.

For programs: `from sealane import load, Network, trace` (docs/library.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sealane.library import BadManifests as BadManifests
    from sealane.library import Network as Network
    from sealane.library import Trace as Trace
    from sealane.library import Unknown as Unknown
    from sealane.library import load as load
    from sealane.library import trace as trace

__version__ = "0.1.0"

_EXPORTED = frozenset({"BadManifests", "Network", "Trace", "Unknown", "load", "trace"})


def __getattr__(name: str) -> Any:
    """Imported when asked for: the command starts without what it does not need."""
    if name in _EXPORTED:
        from sealane import library

        return getattr(library, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_EXPORTED])
