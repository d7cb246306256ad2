"""`make demo`: the tour of README.md as a program. Starts examples/shop on 3 nodes, shows it, stops it.

Exit 0 when everything behaved as printed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

SHOP = Path(__file__).parent / "shop"
SEALANE = [sys.executable, "-m", "sealane"]
NAME = f"demo-{os.getpid()}"
HOST = "shop.example.com"


def sealane(*arguments: str, expect: int = 0, show: bool = True) -> str:
    """Runs a sealane command as a user would type it; prints it and what it says."""
    if show:
        print(f"\n\033[1m$ sealane {' '.join(arguments)}\033[0m", flush=True)
    done = subprocess.run(
        [*SEALANE, *arguments, "--name", NAME] if "--" not in arguments else _named(arguments),
        text=True,
        capture_output=True,
    )
    if show:
        print(done.stdout + done.stderr, end="", flush=True)
    if done.returncode != expect:
        raise SystemExit(f"demo: sealane {arguments[0]} ended with {done.returncode}, expected {expect}\n{done.stderr}")
    return done.stdout


def _named(arguments: tuple[str, ...]) -> list[str]:
    at = arguments.index("--")
    first, *rest = arguments[:at]
    return [*SEALANE, first, "--name", NAME, *rest, *arguments[at:]]


def step(text: str) -> None:
    print(f"\n\033[1;36m{text}\033[0m", flush=True)


def gateway() -> str:
    """Where the Gateway answers on this machine, as ADDRESS:PORT."""
    [found] = [
        each
        for each in json.loads(sealane("status", "-o", "json", show=False))["reachable"]
        if "Gateway" in each["what"]
    ]
    return str(found["host"])


def main() -> None:
    began = time.monotonic()
    step("A shop on three nodes: Deployments, a StatefulSet, Services, policies, a Gateway.")
    sealane("up", str(SHOP), "--nodes", "3", "--dns-upstream", "none")
    address = gateway()
    url = f"http://{address}/"
    print(f"\n\033[1m$ curl -H 'Host: {HOST}' {url}\033[0m", flush=True)
    subprocess.run(["curl", "-sS", "--fail", "--max-time", "5", "-H", f"Host: {HOST}", url], check=True)
    print(f"\nFrom command to first answer through the Gateway: {time.monotonic() - began:.2f} s")

    step("The frontend reaches cart by its Service's name …")
    sealane(
        "exec",
        "-n",
        "shop",
        "deploy/frontend",
        "--",
        "curl",
        "-sS",
        "--fail",
        "--max-time",
        "5",
        "http://cart-service/items",
    )

    step("… but not the database: the policies refuse it, and the trace says which line does.")
    sealane(
        "exec",
        "-n",
        "shop",
        "deploy/frontend",
        "--",
        "curl",
        "-sS",
        "--max-time",
        "1",
        "http://database:5432/",
        expect=28,
    )
    sealane("trace", "-n", "shop", "deploy/frontend", "database:5432", expect=1)

    step("Prediction and packets agree for every pair of pods.")
    sealane("verify")


if __name__ == "__main__":
    try:
        main()
    finally:
        step("And away, without a trace.")
        sealane("down")
