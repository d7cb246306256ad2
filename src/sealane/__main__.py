"""`python -m sealane` is the `sealane` command."""

import sys

if not sys.flags.safe_path:
    del sys.path[0]  # the folder that `-m` begins with: a `queue.py` of the user's is no module of Python's

from sealane.cli import main

main()
