"""The command line. Parses, calls, prints; decides nothing.

`app.py` names the commands; each has a module that does its work, imported when the command runs.
"""


def main() -> None:
    """The `sealane` command."""
    from sealane.cli.app import app

    app()
