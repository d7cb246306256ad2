"""`python -m sealane` is the `sealane` command."""

from sealane.cli import main

main()
