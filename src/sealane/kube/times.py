"""Points in time as objects hold them: meta/v1 Time and MicroTime, RFC 3339 in UTC."""

from __future__ import annotations

from datetime import UTC, datetime


def timestamp(now: float) -> str:
    """Seconds since the epoch as a meta/v1 Time: whole seconds, rounded down."""
    return datetime.fromtimestamp(int(now), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def micro_timestamp(now: float) -> str:
    """Seconds since the epoch as a meta/v1 MicroTime."""
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def seconds(text: str | None) -> float:
    """A meta/v1 Time or MicroTime as seconds since the epoch; 0.0 when unset."""
    return datetime.fromisoformat(text).timestamp() if text else 0.0
