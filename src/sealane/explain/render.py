"""Traces as a person reads them."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from sealane.explain.steps import Step, Trace
from sealane.explain.verify import SHOULD, WORDS, Report

MARKS = {"pass": "[green]✓[/green]", "stop": "[red]✗[/red]", "note": "[dim]·[/dim]"}
VERDICTS = {"allowed": "bold green", "denied": "bold red", "mixed": "bold yellow", "unknown": "bold magenta"}


def render(trace: Trace) -> RenderableType:
    """A line for each step, what decided it at the right, the verdict at the end."""
    table = Table(box=None, show_header=False, padding=(0, 1), pad_edge=False, expand=False)
    table.add_column(width=1)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold", ratio=1)
    table.add_column(style="cyan", overflow="fold")
    previous = ""
    for depth, step in _flat(trace.steps):
        hop = step.hop if step.hop != previous and not depth else ""
        previous = step.hop
        text = escape(step.text) if not depth else f"[dim]{'  ' * depth}{escape(step.text)}[/dim]"
        table.add_row(MARKS[step.mark] if not depth else "", hop, text, escape(step.at))
    head = Text.assemble((trace.source, "bold"), " → ", (trace.target, "bold"))
    verdict = Text.assemble((trace.verdict, VERDICTS[trace.verdict]), f": {trace.reason}")
    return Group(head, table, verdict)


def render_report(report: Report) -> RenderableType:
    """The report of `verify`: one line when all agrees, else one for each disagreement, with the model's reason."""
    tried = f"{report.attempts} connections tried, {report.allowed} predicted to be answered"
    if not report.disagreements:
        return Text.assemble(("0 disagreements", "bold green"), f": {tried}")
    table = Table(box=None, show_header=False, padding=(0, 1), pad_edge=False)
    table.add_column(width=1)
    table.add_column(style="bold", overflow="fold")
    table.add_column(overflow="fold", ratio=1)
    table.add_column(style="cyan", overflow="fold")
    for each in report.disagreements:
        attempt = each.attempt
        said = f"should {SHOULD[attempt.prediction]}, was {WORDS[each.outcome]}: {attempt.reason}"
        table.add_row(MARKS["stop"], attempt.what, said, attempt.at)
    count = len(report.disagreements)
    head = Text.assemble((f"{count} disagreement{'s' if count > 1 else ''}", "bold red"), f": {tried}")
    return Group(head, table)


def _flat(steps: tuple[Step, ...], depth: int = 0) -> Iterator[tuple[int, Step]]:
    for step in steps:
        yield depth, step
        yield from _flat(step.parts, depth + 1)
