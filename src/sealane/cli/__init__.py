"""The command line. Parses, calls, prints; decides nothing.

`app.py` names the commands; each has a module that does its work, imported when the command runs.
"""

import sys


def main() -> None:
    """The `sealane` command. A line that cannot be understood is answered with one line, and exit code 2."""
    from typer import BadParameter

    from sealane.cli.app import app

    # Typer gives the base of all complaints about a command line no public name of its own.
    mistake: type[Exception] = next(each for each in BadParameter.__mro__ if each.__name__ == "ClickException")
    try:
        raise SystemExit(app(standalone_mode=False))
    except mistake as error:
        words = " ".join(str(getattr(error, "format_message", error.__str__)()).split())
        if words:  # there are none when no argument at all was given: the help is printed
            place = getattr(getattr(error, "ctx", None), "command_path", "sealane")
            print(f"sealane: {words.rstrip('.')}; see {place} -h", file=sys.stderr)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
