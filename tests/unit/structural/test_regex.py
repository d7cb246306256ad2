"""Patterns mean what they mean in Go."""

from __future__ import annotations

import re

import pytest

from sealane.kube.structural.regex import pattern


@pytest.mark.parametrize(
    ("text", "fits", "fails"),
    [
        ("^a$", "a", "a\n"),
        (r"^[[:alpha:]]+[^[:digit:]]\z", "ab", "a1"),
        (r"^[a$\]]+$", "a$]", "b"),
        (r"^\p{L}+$", "äb", "1"),
        ("^[^]a]$", "b", "]"),
        (r"(?i)^ab?$", "AB", "AC"),
        (r"\d{2}\$", "12$", "12"),
    ],
)
def test_patterns(text: str, fits: str, fails: str) -> None:
    assert pattern(text).search(fits)
    assert not pattern(text).search(fails)


@pytest.mark.parametrize("text", ["(?=a)", r"(a)\1", "[", "a**"])
def test_refused(text: str) -> None:
    with pytest.raises(re.error):
        pattern(text)
