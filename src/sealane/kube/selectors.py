"""Label selectors: the structured form (matchLabels, matchExpressions) and the string form (-l app=web,tier!=db).

Source: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

Operator = Literal["In", "NotIn", "Exists", "DoesNotExist"]

_TERM = re.compile(
    r"""\s*(?:
        (?P<absent>!)\s*(?P<akey>[\w./-]+)
      | (?P<skey>[\w./-]+)\s+(?P<op>in|notin)\s*\((?P<values>[^)]*)\)
      | (?P<ekey>[\w./-]+)\s*(?P<eq>==|=|!=)\s*(?P<value>[\w.-]*)
      | (?P<key>[\w./-]+)
    )\s*(?:,|$)""",
    re.VERBOSE,
)


class Requirement(msgspec.Struct, frozen=True):
    key: str
    operator: Operator
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        match self.operator:
            case "In":
                return labels.get(self.key) in self.values
            case "NotIn":
                return labels.get(self.key) not in self.values
            case "Exists":
                return self.key in labels
            case "DoesNotExist":
                return self.key not in labels

    def __str__(self) -> str:
        match self.operator:
            case "In" if len(self.values) == 1:
                return f"{self.key}={self.values[0]}"
            case "NotIn" if len(self.values) == 1:
                return f"{self.key}!={self.values[0]}"
            case "In" | "NotIn":
                return f"{self.key} {self.operator.lower()} ({','.join(self.values)})"
            case "Exists":
                return self.key
            case "DoesNotExist":
                return f"!{self.key}"


class LabelSelector(msgspec.Struct, frozen=True):
    """All requirements must hold; none at all matches everything."""

    requirements: tuple[Requirement, ...] = ()

    @classmethod
    def of_labels(cls, labels: Mapping[str, str]) -> LabelSelector:
        """A plain map, as in Service.spec.selector."""
        return cls(tuple(Requirement(key, "In", (value,)) for key, value in sorted(labels.items())))

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> LabelSelector:
        """meta/v1 LabelSelector: {matchLabels: {…}, matchExpressions: [{key, operator, values}]}."""
        equal = cls.of_labels(raw.get("matchLabels") or {}).requirements
        expressions = tuple(
            Requirement(item["key"], item["operator"], tuple(sorted(item.get("values") or ())))
            for item in raw.get("matchExpressions") or ()
        )
        return cls(equal + expressions)

    @classmethod
    def parse(cls, text: str) -> LabelSelector:
        """The string form. Raises ValueError with the part that cannot be read."""
        found: list[Requirement] = []
        position = 0
        while position < len(text.rstrip()):
            term = _TERM.match(text, position)
            if term is None:
                raise ValueError(f"unable to parse requirement: {text[position:].strip()!r}")
            position = term.end()
            if term["absent"]:
                found.append(Requirement(term["akey"], "DoesNotExist"))
            elif term["op"]:
                values = tuple(sorted(value.strip() for value in term["values"].split(",")))
                found.append(Requirement(term["skey"], "In" if term["op"] == "in" else "NotIn", values))
            elif term["eq"]:
                found.append(Requirement(term["ekey"], "NotIn" if term["eq"] == "!=" else "In", (term["value"],)))
            else:
                found.append(Requirement(term["key"], "Exists"))
        return cls(tuple(found))

    def matches(self, labels: Mapping[str, str]) -> bool:
        return all(requirement.matches(labels) for requirement in self.requirements)

    @property
    def anchor(self) -> tuple[str, str] | None:
        """One label pair that everything selected must carry, or None: what indexes look up first."""
        for requirement in self.requirements:
            if requirement.operator == "In" and len(requirement.values) == 1:
                return requirement.key, requirement.values[0]
        return None

    def __str__(self) -> str:
        return ",".join(str(requirement) for requirement in self.requirements) or "<everything>"
