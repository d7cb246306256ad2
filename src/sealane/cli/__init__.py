"""The command line. Parses, calls, prints; decides nothing.

`app.py` names the commands; each has a module that does its work, imported when the command runs.
"""


def main() -> None:
    """The `sealane` command."""
    try:
        from sealane.cli.app import app

        app()
    except KeyboardInterrupt:
        raise SystemExit(130) from None
