"""Fixtures that several modules here use."""

from __future__ import annotations

from kubectl_play import play

__all__ = ["play"]
