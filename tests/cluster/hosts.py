"""Clusters of root and of an ordinary user, beside a folder of the host that pods try to change."""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sealane.testing.cluster import Done, eventually, kubectl_path

Snapshot = dict[str, tuple[int, int, int, bytes]]


@dataclass(frozen=True, slots=True)
class Lab:
    """A cluster of `account`. host: a folder that everybody may write, with files in it; the lab's alone."""

    account: pwd.struct_passwd
    home: Path
    host: Path

    @property
    def is_root(self) -> bool:
        return self.account.pw_uid == 0

    def run(self, argv: Sequence[str], *, stdin: str = "", env: dict[str, str] | None = None) -> Done:
        """Runs a program as the account."""
        own = {"SEALANE_HOME": str(self.home / "state"), "HOME": str(self.home)}
        done = subprocess.run(
            argv,
            user=self.account.pw_uid,
            group=self.account.pw_gid,
            extra_groups=[],
            env={**os.environ, **own, **(env or {})},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
            cwd="/",
        )
        return Done(tuple(argv), done.returncode, done.stdout, done.stderr)

    def sealane(self, *arguments: str, stdin: str = "") -> Done:
        return self.run([sys.executable, "-m", "sealane", *arguments], stdin=stdin)

    def kubectl(self, *arguments: str, stdin: str = "") -> Done:
        kubeconfig = self.home / "state/sealane/kubeconfig"
        return self.run([kubectl_path(), *arguments], stdin=stdin, env={"KUBECONFIG": str(kubeconfig)})

    def apply(self, manifests: str) -> Done:
        return self.kubectl("apply", "-f", "-", stdin=manifests)

    def pod(self, name: str, spec: dict[str, Any]) -> None:
        """Creates a pod whose containers are called c, d, … and run busybox."""
        for key in ("initContainers", "containers"):
            for index, container in enumerate(spec.get(key) or ()):
                container.setdefault("name", f"{key[0]}{index}")
                container.setdefault("image", "busybox")
        spec = {"terminationGracePeriodSeconds": 0, "restartPolicy": "Never", **spec}
        self.apply(json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec})).check()

    def ended(self, name: str) -> str:
        """What the first container of a pod printed, once it has ended."""

        def done() -> bool:
            phase = self.kubectl("get", "pod", name, "-o", "jsonpath={.status.phase}").check().out
            return phase in ("Succeeded", "Failed")

        eventually(done, seconds=20, every=0.2)
        return self.kubectl("logs", name).check().out

    def waits(self, name: str) -> tuple[str, str]:
        """Why the first container of a pod does not start: reason and message."""

        def why() -> tuple[str, str] | None:
            found = json.loads(self.kubectl("get", "pod", name, "-o", "json").check().out)
            for status in found["status"].get("containerStatuses") or ():
                waiting = status["state"].get("waiting") or {}
                if waiting.get("message"):
                    return waiting["reason"], waiting["message"]
            return None

        return eventually(why, seconds=20, every=0.2) or ("", "")

    def shell(self, pod: str, script: str) -> str:
        """What a script prints in a running pod, with what it complains about."""
        done = self.sealane("exec", pod, "--", "sh", "-c", f"exec 2>&1\n{script}")
        return done.out + done.err


def snapshot(*folders: Path) -> Snapshot:
    """Kind and mode, owner and content of all that is below."""
    found: Snapshot = {}
    for top in folders:
        for path in (top, *sorted(top.rglob("*"))):
            status = path.lstat()
            content = os.readlink(path).encode() if path.is_symlink() else b""
            if path.is_file() and not path.is_symlink():
                content = path.read_bytes()
            found[str(path)] = (status.st_mode, status.st_uid, status.st_gid, content)
    return found


@contextlib.contextmanager
def lab_of(user: str, *options: str) -> Iterator[Lab]:
    """options: of `sealane up`."""
    account = pwd.getpwnam(user)
    home = Path(tempfile.mkdtemp(prefix="safe-", dir="/var/tmp"))
    host = home / "host"
    (host / "folder").mkdir(parents=True)
    (host / "file").write_text("of the host")
    (host / "folder/file").write_text("of the host, too")
    for path in (home, host, host / "folder", host / "file", host / "folder/file"):
        os.chown(path, account.pw_uid, account.pw_gid)
        path.chmod(0o666 if path.is_file() else 0o777)
    home.chmod(0o755)
    lab = Lab(account, home, host)
    try:
        lab.sealane("up", "--nodes", "1", "--dns-upstream", "none", *options).check()
        yield lab
    finally:
        lab.sealane("down")
        shutil.rmtree(home)
