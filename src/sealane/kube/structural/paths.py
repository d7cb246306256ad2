"""Paths of fields as text.

Source: k8s.io/apimachinery/pkg/util/validation/field (Path)
"""

from __future__ import annotations


def field(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def at(path: str, key: str) -> str:
    """A key of a map."""
    return f"{path}[{key}]"
