"""Probes from inside two namespaces joined by a veth: what answers, what refuses, what an nft rule swallows."""

from __future__ import annotations

import shutil
import subprocess
import sys
import textwrap

import pytest

INSIDE = """
import socket, subprocess, threading, time
from pathlib import Path
from sealane.dataplane.linux.probe import Probe, probe

def run(*command):
    subprocess.run(command, check=True)

run("ip", "link", "set", "lo", "up")
run("ip", "link", "add", "near", "type", "veth", "peer", "name", "far")
child = subprocess.Popen(["unshare", "--net", "sleep", "60"])
while Path(f"/proc/{child.pid}/ns/net").stat().st_ino == Path("/proc/self/ns/net").stat().st_ino:
    time.sleep(0.01)
run("ip", "link", "set", "far", "netns", str(child.pid))
run("ip", "address", "add", "192.0.2.1/24", "dev", "near")
run("ip", "link", "set", "near", "up")
for command in ("ip address add 192.0.2.2/24 dev far", "ip link set far up", "ip link set lo up"):
    run("nsenter", "--target", str(child.pid), "--net", *command.split())
run("nft", "add table inet t; add chain inet t c { type filter hook input priority 0; }; "
    "add rule inet t c tcp dport 4 drop")
tcp = socket.create_server(("192.0.2.1", 1), backlog=2000)
dropped = socket.create_server(("192.0.2.1", 4))
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(("192.0.2.1", 1))
def echo():
    while True:
        data, peer = udp.recvfrom(512)
        udp.sendto(data, peer)
threading.Thread(target=echo, daemon=True).start()
there, here = f"/proc/{child.pid}/ns/net", "/proc/self/ns/net"
wanted = [
    Probe(there, "TCP", "192.0.2.1", 1),
    Probe(there, "UDP", "192.0.2.1", 1),
    Probe(there, "TCP", "192.0.2.1", 2),
    Probe(there, "UDP", "192.0.2.1", 2),
    Probe(there, "TCP", "192.0.2.1", 4, 0.2),
    Probe(there, "TCP", "203.0.113.1", 1),
    Probe("/nowhere", "TCP", "192.0.2.1", 1),
    Probe(there, "TCP", "2001:db8::1", 1),
]
print(*probe(wanted))
started = time.monotonic()
found = probe([Probe(there, "TCP", "192.0.2.1", 1)] * 1000 + [Probe(there, "TCP", "192.0.2.1", 4, 0.2)] * 200)
print(found[:1000].count("answered"), found[1000:].count("silent"), time.monotonic() - started)
child.kill()
"""


@pytest.mark.skipif(shutil.which("nft") is None or shutil.which("ip") is None, reason="needs ip and nft")
def test_probes_tell_answers_from_refusals_and_silence() -> None:
    command = ["unshare", "--user", "--map-root-user", "--net", sys.executable, "-c", textwrap.dedent(INSIDE)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    outcomes, many = done.stdout.splitlines()
    assert outcomes.split() == [
        "answered",
        "answered",
        "refused",
        "refused",
        "silent",
        "unreachable",
        "unreachable",
        "unreachable",
    ]
    answered, silent, seconds = many.split()
    assert (answered, silent) == ("1000", "200")
    assert float(seconds) < 5
