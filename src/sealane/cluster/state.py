"""The state folder: where a cluster keeps what must outlive its processes.

Layout: docs/architecture.md. Folders are 0700 and files 0600, owned by the user who ran `up`.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import pwd
import re
import shutil
import stat
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

DEFAULT_NAME = "sealane"
LOCK_SECONDS = 30.0
NEEDED_BYTES = 4 << 20
"""Free space without which a cluster does not start: what an empty one writes, with room for a log."""
SOCKET_PATH_BYTES = 107
"""sockaddr_un.sun_path without its final zero, unix(7)."""
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")


class StateError(Exception):
    """The state folder cannot be used; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Options:
    """The options of `up`. Kept, so that the next `up` of the same name starts the same cluster.

    dns_upstream: "host" (the host's resolv.conf), "none", or "ADDRESS[:PORT]". store: "" (SQLite in the folder) or
    "etcd://…". strict_probes: exec probes of stand-ins run on the files of this machine instead of succeeding.
    allow_host: privileged containers may change this machine. private: only its owner reaches it.
    """

    nodes: int = 3
    dns_upstream: str = "host"
    store: str = ""
    strict_probes: bool = False
    allow_host: bool = False
    private: bool = False


@dataclass(frozen=True, slots=True)
class Process:
    """A process of the cluster. `started` (clock ticks since boot) tells it from a later one with the same pid.

    silent: its signs of life have not come for a while; when it goes on like that, it is started again.
    """

    role: str
    pid: int
    started: int
    restarts: int = 0
    silent: bool = False

    @property
    def alive(self) -> bool:
        return start_time(self.pid) == self.started


@dataclass(frozen=True, slots=True)
class Record:
    """cluster.json."""

    name: str
    phase: str  # starting, running, stopping
    options: Options
    api_port: int
    processes: tuple[Process, ...] = field(default_factory=tuple)

    @property
    def supervisor(self) -> Process | None:
        return next((process for process in self.processes if process.role == "supervisor"), None)

    @property
    def running(self) -> bool:
        supervisor = self.supervisor
        return supervisor is not None and supervisor.alive

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def from_json(cls, text: str) -> Record:
        raw: dict[str, Any] = json.loads(text)
        return cls(
            raw["name"],
            raw["phase"],
            Options(**raw["options"]),
            raw["api_port"],
            tuple(Process(**process) for process in raw["processes"]),
        )


@dataclass(frozen=True, slots=True)
class Folder:
    """The folder of one cluster and the paths in it."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def store(self) -> Path:
        return self.path / "store.db"

    @property
    def pki(self) -> Path:
        return self.path / "pki"

    @property
    def kubeconfig(self) -> Path:
        return self.path / "kubeconfig"

    @property
    def outside_kubeconfig(self) -> Path:
        """For programs in the namespace `outside`, which reach the API at another address."""
        return self.path / "kubeconfig.outside"

    @property
    def local_kubeconfig(self) -> Path:
        """For the cluster's own processes and the command line: the API over a Unix socket, without TLS."""
        return self.path / "kubeconfig.local"

    @property
    def api_socket(self) -> Path:
        return self.path / "api.sock"

    @property
    def record_path(self) -> Path:
        return self.path / "cluster.json"

    @property
    def failure(self) -> Path:
        """The file in which a supervisor that cannot go on leaves the reason."""
        return self.path / "failure"

    @property
    def origins(self) -> Path:
        return self.path / "origins.json"

    @property
    def mirrors(self) -> Path:
        return self.path / "mirrors.json"

    @property
    def proxy(self) -> Path:
        """The file with the address of the SOCKS proxy, as [USER:PASSWORD@]ADDRESS:PORT."""
        return self.path / "proxy"

    @property
    def supervisor_socket(self) -> Path:
        return self.path / "supervisor.sock"

    @property
    def agent_socket(self) -> Path:
        return self.path / "agent.sock"

    @property
    def xds_socket(self) -> Path:
        return self.path / "xds.sock"

    @property
    def handoff_socket(self) -> Path:
        return self.path / "handoff.sock"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def run(self) -> Path:
        return self.path / "run"

    def netns(self, name: str) -> Path:
        return self.run / "netns" / name

    @property
    def is_ours(self) -> bool:
        """Whether only its owner can have written its contents."""
        try:
            self.check()
        except StateError:
            return False
        return True

    @property
    def is_cluster(self) -> bool:
        """Whether a cluster has ever been started in it: SEALANE_HOME may be a folder with others in it."""
        return self.record_path.exists() or self.store.exists()

    def make(self) -> None:
        """Creates what is missing. Raises StateError when the folder is not ours alone, or cannot hold a cluster."""
        with _said(self.path):
            self._own()
        too_long = len(bytes(self.supervisor_socket)) - SOCKET_PATH_BYTES
        if too_long > 0:
            raise StateError(
                f"{self.path}: {too_long} bytes too long for the path of a socket; set SEALANE_HOME to a shorter one"
            )
        space = os.statvfs(self.path)
        if space.f_bavail * space.f_frsize < NEEDED_BYTES:
            raise StateError(f"{self.path}: no space left on the disk; make room or set SEALANE_HOME to another")
        with _said(self.path):
            for path in (self.pki, self.logs, self.logs / "pods", self.run):
                path.mkdir(mode=0o700, exist_ok=True)

    def _own(self) -> None:
        self.path.parent.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            self.path.parent.mkdir(mode=0o700)
        _check_home(self.path.parent)
        self.path.mkdir(mode=0o700, exist_ok=True)
        self.check()

    def check(self) -> None:
        """Raises StateError when another user may have written files in the folder; it need not be there."""
        try:
            found = self.path.lstat()
        except (FileNotFoundError, NotADirectoryError):
            return
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
            raise StateError(
                f"{self.path}: must be a folder of yours alone (mode 0700); remove it or set SEALANE_HOME to another"
            )

    def read(self) -> Record | None:
        """cluster.json, or None when there is none (or it was cut short by a crash)."""
        try:
            return Record.from_json(self.record_path.read_text())
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError):
            return None

    def write(self, record: Record) -> None:
        replace(self.record_path, record.to_json())

    @property
    def damaged(self) -> bool:
        """Whether there is a cluster.json that cannot be read."""
        return self.record_path.exists() and self.read() is None

    @contextlib.contextmanager
    def lock(self, seconds: float = LOCK_SECONDS) -> Iterator[None]:
        """Held while one command starts or stops this cluster; others wait, and raise StateError after `seconds`."""
        deadline = time.monotonic() + seconds
        with _said(self.path):
            self._own()
            while (fd := self._flock("lock")) is None:
                if time.monotonic() > deadline:
                    raise StateError(f"another sealane command is starting or stopping cluster {self.name!r}")
                time.sleep(0.01)
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                if os.listdir(self.path) == ["lock"]:
                    self.remove()  # it was never started
            os.close(fd)

    def claim(self) -> int | None:
        """The lock that a supervisor, and what it forks, holds all its life: its file descriptor. None when held.

        Unlike cluster.json it cannot be out of date: the kernel frees it when the last of them has ended.
        """
        with _said(self.path):
            return self._flock("alive")

    def _flock(self, name: str) -> int | None:
        try:
            fd = os.open(self.path / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:  # the holder of the lock removed the folder
            self._own()
            return None
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(fd).st_ino == (self.path / name).stat().st_ino:
                return fd
        except (BlockingIOError, FileNotFoundError):
            pass
        os.close(fd)
        return None

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        with contextlib.suppress(OSError):
            self.path.parent.rmdir()  # only when no other cluster is left


def home() -> Path:
    """The folder of all clusters of this user (see docs/architecture.md)."""
    named = os.environ.get("SEALANE_HOME")
    if named:
        return Path(named).absolute()
    if os.getuid() == 0:
        return Path("/var/lib/sealane")
    state = os.environ.get("XDG_STATE_HOME")
    if state:
        return Path(state) / "sealane"
    user_home = Path.home()
    if os.access(user_home, os.W_OK):
        return user_home / ".local/state/sealane"
    return _temporary()


def _temporary() -> Path:
    return Path(f"/tmp/sealane-{os.getuid()}")


def folder(name: str) -> Folder:
    """Raises StateError for a name that cannot be one."""
    if not _NAME.fullmatch(name):
        raise StateError(f"cluster name {name!r}: expected lower-case letters, digits and '-', at most 40 characters")
    found = Folder(home() / name)
    with _said(found.path):
        _check_home(found.path.parent)
        found.check()
    return found


def clusters() -> list[Folder]:
    """Every cluster of this user, running or not."""
    try:
        _check_home(home())
        found = [Folder(path) for path in home().iterdir() if _NAME.fullmatch(path.name) and path.is_dir()]
        return sorted((each for each in found if each.is_ours and each.is_cluster), key=lambda each: each.name)
    except (FileNotFoundError, PermissionError, NotADirectoryError):
        return []


def _check_home(path: Path) -> None:
    """Raises StateError when others can put folders of theirs in the place of ours in it, also by renaming.

    The folder in /tmp can be made by everybody first: it must be ours alone. Others (SEALANE_HOME may be /tmp itself)
    must be ours or root's, and written by nobody else but with the sticky bit. A missing folder is fine.
    """
    try:
        link, found = path.lstat(), path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return
    ours = os.getuid()
    if path == _temporary():
        bad = stat.S_ISLNK(link.st_mode) or found.st_uid != ours or bool(found.st_mode & 0o077)
        wanted = "yours alone (mode 0700), and no link"
    else:
        by_others = found.st_mode & 0o022 and not found.st_mode & stat.S_ISVTX
        bad = bool({link.st_uid, found.st_uid} - {ours, 0} or by_others)
        wanted = "yours or root's and written by nobody else (chmod go-w)"
    if bad:
        raise StateError(
            f"{path}: belongs to {_account(found.st_uid)}, mode {stat.S_IMODE(found.st_mode):04o}; "
            f"it must be {wanted}: set SEALANE_HOME to another folder"
        )


def _account(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


@contextlib.contextmanager
def _said(path: Path) -> Iterator[None]:
    """The file system's refusal, in one sentence."""
    try:
        yield
    except OSError as error:
        hint = "make room or " if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
        reason = (error.strerror or str(error)).lower()
        raise StateError(f"{path}: {reason}; {hint}set SEALANE_HOME to a folder you can write") from None


def start_time(pid: int) -> int:
    """Clock ticks after boot at which `pid` started; 0 when there is no such process or it is a zombie."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0
    fields = text.rpartition(")")[2].split()
    return 0 if fields[0] in "ZX" else int(fields[19])


def replace(path: Path, text: str) -> None:
    """Writes `text` so that a reader, or a crash, sees the old or the new file and never a part of one."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with open(fd, "w") as file:
        file.write(text)
    os.replace(temporary, path)
