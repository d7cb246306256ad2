"""Patterns of schemas (RE2, as Go has it) for Python's engine.

Source: https://github.com/google/re2/wiki/Syntax
"""

from __future__ import annotations

import re
from functools import lru_cache

_CLASSES = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "ascii": r"\x00-\x7f",
    "blank": r"\t ",
    "cntrl": r"\x00-\x1f\x7f",
    "digit": "0-9",
    "graph": "!-~",
    "lower": "a-z",
    "print": " -~",
    "punct": r"!-/:-@\[-`{-~",
    "space": r"\t\n\v\f\r ",
    "upper": "A-Z",
    "word": "0-9A-Za-z_",
    "xdigit": "0-9A-Fa-f",
}
_POSIX = re.compile(r"\[:(\^?)(\w+):\]")
_CATEGORIES = {
    "L": r"^\W\d_",
    "Lu": "A-Z\u00c0-\u00de",
    "Ll": "a-z\u00df-\u00ff",
    "N": r"\d",
    "Nd": r"\d",
}
_PROPERTY = re.compile(r"\\p\{?(\w+)\}?")


@lru_cache(maxsize=4096)
def pattern(text: str) -> re.Pattern[str]:
    """Raises re.error, also for what RE2 refuses: look-around and backreferences."""
    made, inside, index = [], False, 0
    while index < len(text):
        letter = text[index]
        if letter == "\\" and index + 1 < len(text):
            following = text[index + 1]
            if following in "pP":
                found = _PROPERTY.match(text, index)
                body = _CATEGORIES.get(found[1], r"\w") if found else r"\w"
                made.append(body if inside and not body.startswith("^") else f"[{body}]")
                index = found.end() if found else index + 2
                continue
            if following.isdigit() and following != "0":
                raise re.error(f"invalid escape sequence: `\\{following}`")
            made.append({"z": r"\Z", "C": r"[\s\S]"}.get(following, letter + following))
            index += 2
            continue
        if inside:
            posix = _POSIX.match(text, index)
            if posix and posix[2] in _CLASSES:
                made.append(_CLASSES[posix[2]])
                index = posix.end()
                continue
            if letter == "]" and not made[-1].endswith(("[", "[^")):
                inside = False
            made.append(r"\[" if letter == "[" else letter)
        elif letter == "[":
            inside = True
            negated = text[index + 1 : index + 2] == "^"
            made.append("[^" if negated else "[")
            index += 2 if negated else 1
            continue
        elif letter == "$":
            made.append(r"\Z")  # Python's own $ also matches before a last line break
        elif text.startswith(("(?=", "(?!", "(?<=", "(?<!"), index):
            raise re.error("invalid or unsupported Perl syntax: `(?" + text[index + 2] + "`")
        else:
            made.append(letter)
        index += 1
    return re.compile("".join(made))
