"""Patterns mean what they mean in Go, and take linear time."""

from __future__ import annotations

import pytest

from sealane.kube.regex import PatternError, pattern


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
        ("^(?i)(debug|info)?$", "DEBUG", "trace"),
        (r"^\Qa.b\E$", "a.b", "axb"),
        (r"^[\w-.]+$", "a-b.c", "a b"),
        ("^(?U)a+$", "aa", "b"),
        (r"^\d$", "1", "\u0661"),
        ("^(([a-z])+.)+[A-Z]([a-z])+$", "aaa.Ab", "a" * 5000),
    ],
)
def test_patterns(text: str, fits: str, fails: str) -> None:
    assert pattern(text).search(fits)
    assert not pattern(text).search(fails)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a++", "invalid nested repetition operator: `++`"),
        ("a**", "invalid nested repetition operator: `**`"),
        (r"a\Z", r"invalid escape sequence: `\Z`"),
        (r"a\C", r"invalid escape sequence: `\C`"),
        (r"(a)\1", r"invalid escape sequence: `\1`"),
        ("(?>a)", "invalid or unsupported Perl syntax: `(?>`"),
        ("(?=a)", "invalid or unsupported Perl syntax: `(?=`"),
        ("*", "missing argument to repetition operator: `*`"),
        ("a{1001}", "invalid repeat count: `{1001}`"),
        ("[b-a]", "invalid character class range: `b-a`"),
        ("(a", "missing closing ): `(a`"),
        ("a)", "unexpected ): `a)`"),
        ("[", "missing closing ]: `[`"),
        ("a\\", "trailing backslash at end of expression: ``"),
    ],
)
def test_what_go_refuses_is_refused_in_its_words(text: str, why: str) -> None:
    with pytest.raises(PatternError) as error:
        pattern(text)
    assert str(error.value) == why
