"""Rows of figures, statistics over them, and the description of the machine they come from."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Row:
    """One figure. goal: "≤ 5", "≥ 3200", or "" where there is none; in the unit of the figure.

    spread: the lowest and the highest of several runs, of which `value` is the median.
    """

    what: str
    value: float
    unit: str
    goal: str = ""
    note: str = ""
    spread: tuple[float, float] | None = None

    @property
    def met(self) -> bool | None:
        sign, _, number = self.goal.partition(" ")
        if not number:
            return None
        bound = float(number.replace(",", ""))
        return self.value <= bound if sign == "≤" else self.value >= bound


def percentile(values: Iterable[float], p: float) -> float:
    """The value below which the share `p` (0…1) of `values` lies (nearest rank)."""
    ordered: Sequence[float] = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * p))]


def machine() -> str:
    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} × {cpu}, {memory:.0f} GiB, Linux {platform.release()}, Python {platform.python_version()}"


def together(runs: Sequence[Sequence[Row]]) -> list[Row]:
    """The rows of several runs of one subject as one: of each figure the median, and how far the runs lie apart."""
    found: list[Row] = []
    for row in dict.fromkeys(row.what for run in runs for row in run):
        rows = sorted((one for run in runs for one in run if one.what == row), key=lambda one: one.value)
        middle = rows[(len(rows) - 1) // 2]
        found.append(replace(middle, spread=(rows[0].value, rows[-1].value) if len(rows) > 1 else None))
    return found


def _figure(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def show(subject: str, rows: Iterable[Row]) -> None:
    """Prints one subject's table."""
    table = Table(title=subject, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("What", "Measured", "Spread", "Goal", "", "Note"):
        table.add_column(
            column, justify="right" if column in ("Measured", "Spread", "Goal") else "left", overflow="fold"
        )
    for row in rows:
        mark = {None: "", True: "[green]met[/green]", False: "[red]missed[/red]"}[row.met]
        spread = f"{_figure(row.spread[0])}–{_figure(row.spread[1])}" if row.spread else ""
        table.add_row(row.what, f"{_figure(row.value)} {row.unit}", spread, row.goal, mark, row.note)
    Console(width=None if os.isatty(1) else 160, highlight=False).print(table)
