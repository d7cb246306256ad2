"""The private world a cluster lives in: a mount namespace (and, without root, a user namespace) of its own.

Nothing that is mounted there is seen on the host, and all of it ends with the cluster's last process.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import socket
import threading
from pathlib import Path

from sealane.dataplane.linux import libc
from sealane.dataplane.linux.netlink import Netlink, add_veth

_NETLINK_NETFILTER = 12


class Unsupported(Exception):
    """This machine lacks something; the message says what, and what to install or enable."""


def become_private(run_dir: Path) -> None:
    """Moves this process (single-threaded, before any fork) into namespaces of its own and mounts a tmpfs on `run_dir`.

    Root gets a mount namespace; others a user namespace, in which they are root, and a mount namespace. The network
    namespace stays the host's. Then checks that network namespaces, veth and nftables work. Raises Unsupported.
    """
    _unshare()
    libc.mount("none", "/", None, libc.MS_REC | libc.MS_PRIVATE)
    run_dir.mkdir(parents=True, exist_ok=True)
    libc.mount("sealane", str(run_dir), "tmpfs", libc.MS_NOSUID | libc.MS_NODEV, "mode=0700")
    (run_dir / "netns").mkdir()
    missing = missing_parts()
    if missing:
        raise Unsupported("; ".join(missing))


def _unshare() -> None:
    if os.geteuid() == 0:
        with contextlib.suppress(PermissionError):  # root of a container without CAP_SYS_ADMIN: try as an ordinary user
            libc.unshare(libc.CLONE_NEWNS)
            return
    uid, gid = os.geteuid(), os.getegid()
    try:
        libc.unshare(libc.CLONE_NEWUSER | libc.CLONE_NEWNS)
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
        Path("/proc/self/gid_map").write_text(f"0 {gid} 1")
    except OSError as error:
        raise Unsupported(
            f"user namespaces are not allowed here ({error.strerror}): {_user_namespace_advice(error.errno or 0)}"
        ) from None


def _user_namespace_advice(code: int) -> str:
    """The switch to enable, of those that distributions have for it. ENOSPC is a limit, user_namespaces(7)."""
    if code == errno.ENOSPC:
        return "ask root to run `sysctl user.max_user_namespaces=15000`, or run sealane as root"
    for path, off, advice in (
        ("kernel/unprivileged_userns_clone", "0", "sysctl kernel.unprivileged_userns_clone=1"),
        ("user/max_user_namespaces", "0", "sysctl user.max_user_namespaces=15000"),
        ("kernel/apparmor_restrict_unprivileged_userns", "1", "sysctl kernel.apparmor_restrict_unprivileged_userns=0"),
    ):
        with contextlib.suppress(OSError):
            if Path("/proc/sys", path).read_text().strip() == off:
                return f"ask root to run `{advice}`, or run sealane as root"
    return "run sealane as root, or in a container started with --privileged"


def missing_parts() -> list[str]:
    """The parts that this machine lacks to run a cluster, one sentence each; empty when nothing. Leaves no trace."""
    found: list[str] = []

    def check() -> None:
        try:
            libc.unshare(libc.CLONE_NEWNET)
        except OSError as error:
            advice = "run sealane as root or enable user namespaces"
            if error.errno == errno.ENOSPC:  # user_namespaces(7): what a limit in /proc/sys/user answers
                advice = "ask root to run `sysctl user.max_net_namespaces=15000`"
            found.append(f"network namespaces are not allowed ({error.strerror}): {advice}")
            return
        found.extend(filter(None, (_veth(), _nf_tables())))

    thread = threading.Thread(target=check)
    thread.start()
    thread.join()
    try:
        ctypes.CDLL("libnftables.so.1")
    except OSError:
        found.append("libnftables is not installed: apt-get install libnftables1 (or nftables)")
    return found


def _veth() -> str:
    with Netlink() as netlink:
        own = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            netlink.apply([add_veth("check0", "0a:00:00:00:00:01", "check1", "0a:00:00:00:00:02", own)])
        except OSError as error:
            return f"veth links cannot be made ({error.strerror}): as root, modprobe veth"
        finally:
            os.close(own)
    return ""


def _nf_tables() -> str:
    """Asks nf_tables for its generation (NFT_MSG_GETGEN, linux/netfilter/nf_tables.h)."""
    get_generation = (10 << 8) | 16
    request = (20).to_bytes(4, "little") + get_generation.to_bytes(2, "little") + (5).to_bytes(2, "little")
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER) as netfilter:
            netfilter.bind((0, 0))
            netfilter.send(request + bytes(8) + bytes(4))
            answer = netfilter.recv(4096)
        if int.from_bytes(answer[4:6], "little") == 2:  # NLMSG_ERROR
            code = -int.from_bytes(answer[16:20], "little", signed=True)
            if code:
                raise OSError(code, os.strerror(code))
    except OSError as error:
        hint = "as root, modprobe nf_tables" if error.errno != errno.EPERM else "it needs CAP_NET_ADMIN"
        return f"the kernel offers no nftables ({error.strerror}): {hint}"
    return ""
