"""The command line. Parses, calls, prints; decides nothing.

`app.py` names the commands; each has a module that does its work, imported when the command runs.
"""

import gc
import sys


def main() -> None:
    """The `sealane` command; Ctrl-C ends it with 130, also while it is being imported."""
    try:
        raise SystemExit(_main())
    except KeyboardInterrupt:
        raise SystemExit(130) from None


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
