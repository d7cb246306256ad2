"""Limits of this process."""

from __future__ import annotations

import resource


def raise_file_limit() -> None:
    """Lifts the limit of open files to the hard limit: a pod costs its agent and its server a handful of sockets."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
