"""The command line. Parses, calls, prints; decides nothing.

`app.py` names the commands; each has a module that does its work, imported when the command runs.
"""

import contextlib
import errno
import gc
import os
import sys
from collections.abc import Callable


def main() -> None:
    """The `sealane` command; Ctrl-C ends it with 130, also while it is being imported."""
    _open_streams()
    try:
        code = _written(_main)
    except KeyboardInterrupt:
        code = 130
    raise SystemExit(code)


def _open_streams() -> None:
    """Standard streams that can be used: a closed one is /dev/null, and what an encoding lacks is a question mark."""
    while (fd := os.open(os.devnull, os.O_RDWR)) < 3:
        os.set_inheritable(fd, True)
    os.close(fd)
    sys.stdin = sys.stdin or os.fdopen(0, closefd=False)
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]


def _written(command: Callable[[], int]) -> int:
    """The exit code of `command` when its answer was written; else one line, and 1. A reader that left is no error."""
    try:
        code = command()
        sys.stdout.flush()
    except BrokenPipeError:
        from sealane.cli.say import reader_left

        if not reader_left():
            raise
        code = 0
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EBADF):
            raise
        code = 1
        with contextlib.suppress(OSError):
            print(f"sealane: the answer cannot be written: {error.strerror}", file=sys.stderr, flush=True)
    else:
        return code
    os.dup2(os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC), 1)  # what is left in the buffer goes nowhere
    return code


def _main() -> int:
    """The exit code. A line that cannot be understood is answered with one line, and exit code 2."""
    gc.set_threshold(100_000, 20, 100)  # what a command of a second imports and makes is hardly ever garbage
    from typer import BadParameter

    from sealane.cli.app import app

    # Typer gives the base of all complaints about a command line no public name of its own.
    mistake: type[Exception] = next(each for each in BadParameter.__mro__ if each.__name__ == "ClickException")
    try:
        return int(app(standalone_mode=False) or 0)
    except mistake as error:
        words = " ".join(str(getattr(error, "format_message", error.__str__)()).split())
        if words:  # there are none when no argument at all was given: the help is printed
            place = getattr(getattr(error, "ctx", None), "command_path", "sealane")
            print(f"sealane: {words.rstrip('.')}; see {place} -h", file=sys.stderr)
        return 2
