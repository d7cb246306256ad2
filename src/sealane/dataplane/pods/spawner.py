"""The spawner: a small single-threaded process that starts programs in pods for the node agent.

The agent has threads and an event loop, so it must not fork; this process, forked from it before it had any, can. It
takes requests over a SOCK_SEQPACKET pair (`spawning.Spawner` is the other end), each with three descriptors for
stdin, stdout and stderr, and reports starts and exits. Everything it started dies with it (PR_SET_PDEATHSIG; a
container's first process is process 1 of a PID namespace, so all of a container dies with that one).
"""

from __future__ import annotations

import array
import contextlib
import errno
import gc
import os
import selectors
import shutil
import signal
import socket
import stat
import sys
from collections.abc import Mapping
from typing import NoReturn

import msgspec

from sealane.dataplane.linux import capabilities, libc
from sealane.dataplane.pods import rootfs
from sealane.dataplane.pods.identity import User

MAX_MESSAGE = 180_000


class Launch(msgspec.Struct, tag="launch", tag_field="op", frozen=True):
    """A program to start.

    id: chosen by the asker. net: path of its network namespace. root: its file system, whose mount namespace is
    kept for later programs of `container`; None: the host's file system. fresh: begin with an empty layer. join: pid of
    the container's first process, whose namespaces to enter; 0: new ones. beside: pid of another container's, of which
    only the PID namespace. capabilities: those to keep (numbers); None: all. resolver: a file that is /etc/resolv.conf
    for it, where it has the host's file system.
    """

    id: int
    argv: list[str]
    env: dict[str, str]
    net: str
    root: rootfs.RootPlan | None = None
    container: str = ""
    fresh: bool = False
    join: int = 0
    beside: int = 0
    cwd: str = "/"
    hostname: str = ""
    capabilities: list[int] | None = None
    terminal: bool = False
    user: User = User()
    resolver: str = ""


class Signal(msgspec.Struct, tag="signal", tag_field="op", frozen=True):
    """Send `number` to what was launched as `id`; group: to its whole session too."""

    id: int
    number: int
    group: bool = False


class Forget(msgspec.Struct, tag="forget", tag_field="op", frozen=True):
    """The file system of `container` is needed no more."""

    container: str


class Report(msgspec.Struct, frozen=True):
    """pid: it has started. error: it could not. code, signal: it has ended."""

    id: int
    pid: int = 0
    error: str = ""
    code: int = -1
    signal: int = 0


_decode = msgspec.json.Decoder(Launch | Signal | Forget).decode
_encode = msgspec.json.encode


def start() -> socket.socket:
    """Forks the spawner and returns the agent's end. Call it before the process has threads. Raises OSError."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    sys.stdout.flush()
    sys.stderr.flush()
    if os.fork() == 0:
        try:
            ours.close()
            gc.enable()  # a starting node agent has it off
            _Spawner(theirs).run()
        finally:
            os._exit(0)
    theirs.close()
    ours.setblocking(False)
    return ours


class _Spawner:
    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._running: dict[int, int] = {}  # pid -> id
        self._pids: dict[int, int] = {}  # id -> pid
        self._roots: dict[str, int] = {}  # container -> descriptor that keeps its mount namespace

    def run(self) -> None:
        """Serves until the agent's end is closed."""
        libc.die_with_parent(signal.SIGKILL)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        wake_read, wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        selector = selectors.DefaultSelector()
        selector.register(wake_read, selectors.EVENT_READ)
        selector.register(self._channel, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fd == wake_read:
                    with contextlib.suppress(BlockingIOError):
                        os.read(wake_read, 4096)
                    self._reap()
                elif not self._serve():
                    return

    def _serve(self) -> bool:
        fds = array.array("i")
        data, ancillary, _, _ = self._channel.recvmsg(
            MAX_MESSAGE, socket.CMSG_SPACE(8 * fds.itemsize), socket.MSG_CMSG_CLOEXEC
        )
        if not data:
            return False
        for _, _, content in ancillary:
            fds.frombytes(content)
        request = _decode(data)
        if isinstance(request, Forget):
            self._forget(request.container)
            return True
        if isinstance(request, Signal):
            pid = self._pids.get(request.id)
            if pid:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, request.number)
                    if request.group:
                        os.killpg(pid, request.number)
            return True
        try:
            pid = self._launch(request, list(fds))
        except OSError as error:
            what = f" ({error.filename})" if error.filename else ""
            self._report(Report(request.id, error=f"{error.strerror}{what}{_not_in_pods(request)}"))
        else:
            self._running[pid] = request.id
            self._pids[request.id] = pid
            self._report(Report(request.id, pid=pid))
        finally:
            for fd in fds:
                os.close(fd)
        return True

    def _report(self, report: Report) -> None:
        self._channel.send(_encode(report))

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            id_ = self._running.pop(pid, None)
            if id_ is None:
                continue
            del self._pids[id_]
            ended_by = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
            code = 128 + ended_by if ended_by else os.WEXITSTATUS(status)
            self._report(Report(id_, code=code, signal=ended_by))

    def _forget(self, container: str) -> None:
        fd = self._roots.pop(container, None)
        if fd is not None:
            os.close(fd)

    def _launch(self, launch: Launch, fds: list[int]) -> int:
        """The pid of the program, once it runs. Raises OSError."""
        if launch.root is not None and not launch.join:
            if launch.fresh:
                self._forget(launch.container)
            if launch.container not in self._roots:
                self._roots[launch.container] = _build(launch.net, launch.root)
        root = self._roots.get(launch.container, -1)
        errors_read, errors_write = os.pipe2(os.O_CLOEXEC)
        try:
            if launch.join or launch.beside:
                pid = _fork_beside(launch.join or launch.beside)
            else:
                pid = libc.fork(libc.CLONE_NEWPID if launch.root is not None else 0)
            if pid == 0:
                _become(launch, root, fds, errors_write)
        finally:
            os.close(errors_write)
        with os.fdopen(errors_read, "rb") as errors:
            message = errors.read()  # closed by a successful exec
        if message:
            os.waitpid(pid, 0)
            _raise(message)
        return pid


def _fork_beside(pid: int) -> int:
    """fork() into the PID namespace of process `pid`: 0 in the child, else its pid. Raises OSError.

    Without root a process cannot come back from another PID namespace, so a second one goes there and leaves the
    child here.
    """
    answer_read, answer_write = os.pipe2(os.O_CLOEXEC)
    middle = os.fork()
    if middle == 0:
        try:
            libc.enter(f"/proc/{pid}/ns/pid", libc.CLONE_NEWPID)
            child = libc.fork(sibling=True)
        except OSError:
            os._exit(1)
        if child == 0:
            return 0
        os.write(answer_write, str(child).encode())
        os._exit(0)
    os.close(answer_write)
    with os.fdopen(answer_read, "rb") as answer:
        found = answer.read()
    os.waitpid(middle, 0)
    if not found:
        raise ProcessLookupError(errno.ESRCH, "the container has ended")
    return int(found)


def _build(net: str, plan: rootfs.RootPlan) -> int:
    """Makes a container's mount namespace: a descriptor that keeps it. Raises OSError."""
    errors_read, errors_write = os.pipe2(os.O_CLOEXEC)
    wait_read, wait_write = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid == 0:
        os.close(wait_write)
        try:
            libc.die_with_parent(signal.SIGKILL)
            libc.enter(net)  # for /sys
            rootfs.build(plan)
            os.close(errors_write)
            os.read(wait_read, 1)
        except OSError as error:
            os.write(errors_write, f"{error.errno} {error.filename or error}".encode())
        except BaseException as error:
            os.write(errors_write, f"22 {error}".encode())
        finally:
            os._exit(0)
    os.close(errors_write)
    os.close(wait_read)
    with os.fdopen(errors_read, "rb") as errors:
        message = errors.read()
    try:
        if message:
            _raise(message)
        return os.open(f"/proc/{pid}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(wait_write)
        os.waitpid(pid, 0)


def _not_in_pods(launch: Launch) -> str:
    """Why a program of the host is not there in a pod; "" when that is not so."""
    program = launch.argv[0]
    own = rootfs.covered(program)
    if not own or launch.root is None or rootfs.is_shown(program, launch.root.show) or not os.path.exists(program):
        return ""
    folder = os.path.dirname(program)
    where = f"start the cluster in {folder}, or " if rootfs.covered(folder) else ""
    return (
        f": a pod has a {own} of its own, in which it sees of this machine only what the cluster was started from; "
        f"{where}put the program elsewhere"
    )


def _raise(message: bytes) -> NoReturn:
    number, _, what = message.decode().partition(" ")
    raise OSError(int(number), os.strerror(int(number)), what)


def _become(launch: Launch, root: int, fds: list[int], errors: int) -> NoReturn:
    """In the forked child: enter the namespaces and become the program."""
    try:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD, signal.SIGPIPE):
            signal.signal(number, signal.SIG_DFL)
        libc.die_with_parent(signal.SIGKILL)
        libc.shut_memory()  # it still holds what other pods were started with
        os.setsid()
        _stdio(fds, {root, errors})
        if launch.terminal:
            _controlling_terminal()
        libc.enter(launch.net)
        if launch.join:
            for name, kind in (("uts", libc.CLONE_NEWUTS), ("ipc", libc.CLONE_NEWIPC), ("mnt", libc.CLONE_NEWNS)):
                libc.enter(f"/proc/{launch.join}/ns/{name}", kind)
        elif launch.root is not None:
            libc.setns(root, libc.CLONE_NEWNS, "enter the container's file system")
            libc.unshare(libc.CLONE_NEWUTS | libc.CLONE_NEWIPC)
            libc.unshare(libc.CLONE_NEWNS)
            rootfs.fresh_proc(privileged=launch.root.privileged, allow_host=launch.root.allow_host)
            if launch.hostname:
                socket.sethostname(launch.hostname)
        elif launch.resolver:
            libc.unshare(libc.CLONE_NEWNS)
            libc.mount("none", "/", flags=libc.MS_REC | libc.MS_PRIVATE)
            libc.mount(launch.resolver, os.path.realpath("/etc/resolv.conf"), flags=libc.MS_BIND)
        try:
            os.chdir(launch.cwd or "/")
        except FileNotFoundError:
            os.makedirs(launch.cwd)
            os.chdir(launch.cwd)
        if launch.root is not None and not launch.join and not launch.fresh:
            _leave_process_1(errors)
        if launch.capabilities is not None:
            capabilities.keep_only(launch.capabilities)
        _become_user(launch)
        os.umask(0o022)
        try:
            os.execve(_looked_up(launch.argv[0], launch.env), launch.argv, launch.env)
        except OSError as error:
            error.filename = launch.argv[0]  # not where it was found
            raise
    except OSError as error:
        os.write(errors, f"{error.errno} {error.filename or launch.argv[0]}".encode())
    except BaseException as error:
        os.write(errors, f"22 {error}".encode())
    finally:
        os._exit(127)


def _looked_up(program: str, env: Mapping[str, str]) -> str:
    """The file that a program is, by PATH where it has no slash; what cannot be run there is not there.

    So runc reads PATH (https://pkg.go.dev/os/exec#LookPath), where execvp(3) says "Permission denied" for a folder that
    cannot be searched. Raises OSError.
    """
    if "/" in program:
        return program
    if (found := shutil.which(program, path=env.get("PATH", os.defpath))) is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    return found


def _become_user(launch: Launch) -> None:
    user = launch.user
    if user.mapped:
        libc.unshare(libc.CLONE_NEWUSER)
        libc.open_memory()
        for name, text in (("setgroups", "deny"), ("uid_map", f"{user.uid} 0 1"), ("gid_map", f"{user.gid} 0 1")):
            with open(f"/proc/self/{name}", "w") as file:
                file.write(text)
    elif user.uid or user.gid or user.groups:
        if launch.fresh:
            for fd in range(3):  # ours: the container may open /dev/stdout
                if stat.S_ISFIFO(mode := os.fstat(fd).st_mode) or (launch.terminal and stat.S_ISCHR(mode)):
                    os.fchown(fd, user.uid, user.gid)
        os.setgroups([user.gid, *user.groups])
        os.setresgid(user.gid, user.gid, user.gid)
        os.setresuid(user.uid, user.uid, user.uid)
        libc.die_with_parent(signal.SIGKILL)  # forgotten with the former user
    if not user.gains:
        libc.no_new_privileges()


def _leave_process_1(errors: int) -> None:
    """Returns in a child; process 1 only waits for it and ends as it does.

    The kernel keeps from process 1 every signal that it does not handle: Ctrl-C would not end a program.
    """
    child = os.fork()
    if child == 0:
        return
    os.close(errors)
    for fd in range(3):  # their readers wait for the program, not for us
        os.close(fd)
    while True:
        pid, status = os.wait()
        if pid == child:
            os._exit(128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status))


def _stdio(fds: list[int], keep: set[int]) -> None:
    """Descriptors 0, 1 and 2 are those sent; all others are closed but `keep`, which a successful exec closes."""
    moved = [os.dup(fd) if fd < 3 else fd for fd in fds]
    for number in range(3):
        source = moved[number] if number < len(moved) else os.open("/dev/null", os.O_RDWR)
        os.dup2(source, number)
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and int(name) not in keep:
            with contextlib.suppress(OSError):
                os.close(int(name))


def _controlling_terminal() -> None:
    import fcntl
    import termios

    with contextlib.suppress(OSError):
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
