"""Values of annotations, read as ingress-nginx reads them: a wrong one falls back to the default, and that is said."""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches

from sealane.network.routes.ingress.nginx.table import TABLE

PREFIX = "nginx.ingress.kubernetes.io/"
_TRUE, _FALSE = ("1", "t", "T", "TRUE", "true", "True"), ("0", "f", "F", "FALSE", "false", "False")  # strconv.ParseBool
_SIZE = re.compile(r"(\d+)([kKmMgG]?)")
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


class Reader:
    """The annotations of one Ingress. remarks: what is to be said about them."""

    def __init__(self, annotations: Mapping[str, str]) -> None:
        self._given = {
            name.removeprefix(PREFIX): str(value) for name, value in annotations.items() if name.startswith(PREFIX)
        }
        self.remarks: list[str] = []
        for name in self._given:
            known = TABLE.get(name)
            if known is None:
                near = get_close_matches(name, TABLE, 1)
                self.remarks.append(f"{name} is not known" + (f", did you mean {near[0]}?" if near else ""))
            elif known.outcome == "explained":
                self.remarks.append(f"{name}: {known.here}")

    def has(self, name: str) -> bool:
        return name in self._given

    def text(self, name: str, default: str = "") -> str:
        return self._given.get(name, default).strip()

    def flag(self, name: str, default: bool = False) -> bool:
        value = self._given.get(name)
        if value is None or value in _TRUE:
            return default if value is None else True
        if value not in _FALSE:
            self.refuse(name, "true or false", str(default).lower())
            return default
        return False

    def number(self, name: str, default: int, least: int = 0, most: int = 2**31) -> int:
        value = self._given.get(name)
        if value is None:
            return default
        if not re.fullmatch(r"\d+", value) or not least <= int(value) <= most:
            self.refuse(name, f"a number from {least}" + (f" to {most}" if most < 2**31 else ""), str(default))
            return default
        return int(value)

    def size(self, name: str, default: int) -> int:
        """Bytes of an nginx size: "8m"."""
        value = self._given.get(name)
        if value is None:
            return default
        found = _SIZE.fullmatch(value.strip())
        if found is None:
            self.refuse(name, "a size such as 8m", str(default))
            return default
        return int(found[1]) * _UNITS[found[2].lower()]

    def listed(self, name: str, default: str = "") -> tuple[str, ...]:
        """Of values between commas, those that are not empty."""
        return tuple(each.strip() for each in self.text(name, default).split(",") if each.strip())

    def refuse(self, name: str, expected: str, instead: str) -> None:
        self.remarks.append(f"{name} {self._given[name]!r} is not {expected}: {instead or 'nothing'} holds")
