"""`errors`: a line for each question that failed. Source: https://coredns.io/plugins/errors/."""

from __future__ import annotations

from dataclasses import dataclass

from sealane.dataplane.dns.corefile import Directive
from sealane.dataplane.dns.plugins import step
from sealane.kube import regex

LEVELS = ("warning", "error", "info", "debug")
OPTIONS = ("consolidate", "stacktrace")


@dataclass(frozen=True, slots=True)
class Consolidate:
    """Errors that `pattern` matches are counted for `seconds`, and said once. level: as it stands in the line."""

    seconds: float
    pattern: regex.Pattern
    level: str = "ERROR"
    show_first: bool = False


@dataclass(frozen=True, slots=True)
class Errors:
    consolidated: tuple[Consolidate, ...] = ()

    def rule(self, message: str) -> Consolidate | None:
        """The first that the message matches."""
        return next((one for one in self.consolidated if one.pattern.search(message)), None)


def read(directive: Directive) -> Errors:
    """Raises CorefileError."""
    found = []
    for option in directive.block:
        if option.name not in OPTIONS:
            raise option.unknown("option of errors", option.name, OPTIONS)
        if option.name != "consolidate":
            continue
        words = list(option.args)
        if not 2 <= len(words) <= 4:
            raise option.error("consolidate takes a duration and a regular expression, and perhaps a level")
        show_first = words[-1] == "show_first"
        if show_first:
            words.pop()
        level = words[2] if len(words) > 2 else "error"
        if level not in LEVELS:
            raise option.unknown("level", level, LEVELS)
        found.append(
            Consolidate(step.seconds(option, words[0]), step.pattern(option, words[1]), level.upper(), show_first)
        )
    return Errors(tuple(found))
