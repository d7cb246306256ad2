"""The voice of the command line: errors on stderr in one line, tables on stdout, exit codes."""

from __future__ import annotations

import select
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

OK, NOT, BAD_INPUT, LACKING, NO_CLUSTER, SILENT, UNKNOWN = 0, 1, 2, 3, 4, 5, 6
INTERRUPTED = 130

T = TypeVar("T")


class Exit(Exception):
    """Ends the command with `code`, after `message` (if any) on stderr."""

    def __init__(self, code: int, message: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def guarded(command: Callable[[], int]) -> int:
    """Runs `command`; every expected failure becomes one line on stderr and an exit code."""
    from sealane.cluster.lifecycle import StartError
    from sealane.cluster.state import StateError

    try:
        return command()
    except Exit as error:
        if error.message:
            complain(error.message)
        return error.code
    except StartError as error:
        complain(str(error))
        return LACKING
    except StateError as error:
        complain(str(error))
        return BAD_INPUT
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # before the option parser hears of it
        if not reader_left():
            raise
        return OK


def reader_left() -> bool:
    """Whether nobody reads what we print any more: the only broken pipe that is no error. Source: poll(2), POLLERR."""
    poll = select.poll()
    poll.register(1, 0)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))


@contextmanager
def terminable() -> Iterator[None]:
    """Makes SIGTERM and SIGHUP end a command as Ctrl-C does: with what it began undone."""
    before = {number: signal.signal(number, signal.default_int_handler) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Lets what undoes a command come to its end: further signals that would end it are not taken meanwhile."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def complain(message: str) -> None:
    print(f"sealane: {message}", file=sys.stderr)


def console() -> Console:
    """The console for tables on stdout. Wide when it is no terminal, so that nothing is cut off in a pipe."""
    from rich.console import Console

    return Console(highlight=False) if sys.stdout.isatty() else Console(highlight=False, width=200)


def table(*columns: str, title: str = "") -> Table:
    from rich import box
    from rich.table import Table

    made = Table(title=title or None, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        made.add_column(column, overflow="fold")
    return made


@contextmanager
def progress(enabled: bool) -> Iterator[Callable[[str], None]]:
    """A line that changes while work goes on, on stderr; nothing where stderr is no terminal."""
    if not enabled or not sys.stderr.isatty():
        yield lambda _text: None
        return
    from rich.console import Console

    with Console(stderr=True).status("starting", spinner="dots") as spinner:
        yield lambda text: spinner.update(text)
