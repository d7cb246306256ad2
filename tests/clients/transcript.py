"""Tables of commands and of what they do, as a person would write them down.

    == logs                           a scenario: its steps are played in turn
    $ kubectl logs talker             a command; below it, what steps.py knows of a step
        says ^first$
        code 1
        eventually
    $ kubectl exec -it talker -- sh
        until [#$] $
    > hostname                        typed into the shell that the command before opened
        says ^talker$

`stop` is for what is stopped when it has said what `until` waits for. "\\n" in what is typed is the Enter key.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any


def scenarios(path: Path) -> dict[str, list[dict[str, Any]]]:
    """The steps of each scenario of a transcript. Raises ValueError with the line that is not understood."""
    found: dict[str, list[dict[str, Any]]] = {}
    steps: list[dict[str, Any]] = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        mark, _, rest = line.partition(" ")
        if not line.strip() or mark == "#":
            continue
        if mark == "==":
            steps = found.setdefault(rest, [])
        elif mark in ("$", ">"):
            steps.append({"run": rest, **({"by": "shell"} if mark == ">" else {}), "says": [], "never": []})
        else:
            key, _, value = line.strip().partition(" ")
            match key:
                case "says" | "never":
                    steps[-1][key].append(value)
                case "until" | "try":
                    steps[-1][key] = value
                case "type":
                    steps[-1][key] = value.replace("\\n", "\n")
                case "stop":
                    steps[-1]["type"] = ""
                case "code":
                    steps[-1][key] = int(value)
                case "eventually":
                    steps[-1][key] = True
                case _:
                    raise ValueError(f"{path}:{number}: {line!r}")
    return found
