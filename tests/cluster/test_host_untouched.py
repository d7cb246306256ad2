"""The host's own network namespace is the same before `up`, after it and after `down`, whoever runs it."""

from __future__ import annotations

import contextlib
import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest
from users import as_nobody

SHOP = Path(__file__).parents[2] / "examples/shop"
COMMANDS = (
    ("ip", "-o", "-d", "link"),
    ("ip", "-o", "address"),
    ("ip", "-4", "route", "show", "table", "all"),
    ("ip", "-6", "route", "show", "table", "all"),
    ("ip", "-4", "rule"),
    ("ip", "-6", "rule"),
    ("ip", "netns"),
    ("nft", "--stateless", "list", "ruleset"),
)
COUNTERS = {"nf_conntrack_count"}  # sysctls that measure instead of set


def snapshot() -> dict[str, str]:
    """Links, addresses, routes, rules, nftables, named namespaces, mounts and every sysctl of the network."""
    found = {}
    for command in COMMANDS:
        done = subprocess.run(command, capture_output=True, text=True)
        lines = sorted(line for line in done.stdout.splitlines() if "sec" not in line)  # addresses that expire
        found[" ".join(command)] = "\n".join(lines) + done.stderr
    found["mounts"] = "\n".join(
        sorted(line.split(" ", 3)[3] for line in Path("/proc/self/mountinfo").read_text().splitlines())
    )
    found["resolv.conf"] = Path("/etc/resolv.conf").read_text()
    for path in Path("/proc/sys/net").rglob("*"):
        with contextlib.suppress(OSError):  # some can only be written
            if path.is_file() and path.name not in COUNTERS:
                found[str(path)] = path.read_text()
    return found


def differences(before: dict[str, str], after: dict[str, str]) -> dict[str, tuple[str, str]]:
    """What is not as before. A sysctl that a kernel module brought along was not there to be changed."""
    return {key: (value, after.get(key, "")) for key, value in before.items() if after.get(key) != value}


def listening(pids: set[int]) -> set[str]:
    """The IPv4 and IPv6 addresses of the host on which a process of `pids` listens, as in /proc/net/tcp."""
    inodes = set()
    for pid in pids:
        with contextlib.suppress(OSError):
            for fd in Path(f"/proc/{pid}/fd").iterdir():
                with contextlib.suppress(OSError):
                    inodes.add(os.readlink(fd))
    found = set()
    for table in ("tcp", "tcp6", "udp", "udp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if f"socket:[{fields[9]}]" in inodes and (fields[3] == "0A" or table.startswith("udp")):
                found.add(fields[1].partition(":")[0])
    return found


@pytest.mark.parametrize("user", ["root", pytest.param("nobody", marks=as_nobody)])
def test_the_hosts_network_is_as_before(user: str, tmp_path: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("becomes two users, which only root can")
    account = pwd.getpwnam(user)
    home = Path(f"/tmp/sealane-host-{os.getpid()}-{user}")
    home.mkdir(mode=0o700)
    os.chown(home, account.pw_uid, account.pw_gid)

    def sealane(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "sealane", *arguments],
            user=account.pw_uid,
            group=account.pw_gid,
            extra_groups=[],
            env={**os.environ, "SEALANE_HOME": str(home / "state"), "HOME": str(home)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=100,
        )
        assert done.returncode == 0, done
        return done.stdout

    before = snapshot()
    assert len(before) > 100  # sysctls were read
    try:
        sealane("up", str(SHOP), "--dns-upstream", "none")
        assert differences(before, snapshot()) == {}
        sealane("exec", "-n", "shop", "deploy/frontend", "--", "curl", "-sS", "-m", "5", "http://cart-service/items")
        pids = {int(each.name) for each in Path("/proc").iterdir() if each.name.isdigit() and ours(each, home)}
        assert len(pids) >= 7  # supervisor, its six roles with Envoy
        loopback = {address for address in listening(pids) if address.endswith("7F") and len(address) == 8}
        assert loopback
        assert listening(pids) == loopback
    finally:
        sealane("down")
    assert differences(before, snapshot()) == {}
    assert not any(ours(each, home) for each in Path("/proc").iterdir() if each.name.isdigit())
    assert not (home / "state").exists()
    home.rmdir()


def ours(process: Path, home: Path) -> bool:
    """Whether it sees a mount of the cluster in `home`: true for the supervisor and all that it started."""
    with contextlib.suppress(OSError):
        return f" {home}/" in (process / "mountinfo").read_text()
    return False
