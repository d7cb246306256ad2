"""Header changes: HTTPHeaderFilter of the Gateway API (RequestHeaderModifier, ResponseHeaderModifier)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HeaderEdit:
    """Names in lower case. `set` overwrites, `add` appends. echo: in an answer, names with the header of the request
    whose value they get."""

    set: tuple[tuple[str, str], ...] = ()
    add: tuple[tuple[str, str], ...] = ()
    remove: tuple[str, ...] = ()
    echo: tuple[tuple[str, str], ...] = ()

    def apply(self, headers: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
        gone = {*self.remove, *(name for name, _ in self.set)}
        kept = tuple((name, value) for name, value in headers if name.lower() not in gone)
        return kept + self.set + self.add

    def then(self, later: HeaderEdit) -> HeaderEdit:
        """Both, one after the other, as one."""
        changed = {*later.remove, *(name for name, _ in later.set)}
        return HeaderEdit(
            tuple(pair for pair in self.set if pair[0] not in changed) + later.set,
            tuple(pair for pair in self.add if pair[0] not in changed) + later.add,
            tuple(dict.fromkeys((*self.remove, *later.remove))),
            self.echo + later.echo,
        )
