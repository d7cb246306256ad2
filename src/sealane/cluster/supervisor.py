"""The supervisor: one small process that forks the others, restarts those that die and answers the command line.

    python -m sealane.cluster FOLDER

The supervisor takes no part in the network. It is single-threaded, so it can fork at any time; what all children
import, it imports once before the first fork, so they share those pages. Children die with it (PR_SET_PDEATHSIG), and
with them every namespace: after a `kill -9` of everything, only the state folder is left.

A listening socket that a child opens itself can be kept here (`Channel.listening`): connections wait in it while that
child is killed and started again.

Control socket (`supervisor.sock`, newline-delimited JSON): {"op": "wait"} answers when every process is ready,
{"op": "down"} stops everything and answers just before the supervisor ends. After {"op": "own"} the cluster lives as
long as that connection: when it closes, also because its owner was killed, everything stops and the folder goes.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import gc
import json
import logging
import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sealane.cluster import memory
from sealane.cluster.state import Folder, Process, Record, start_time
from sealane.cluster.state import replace as replace_file
from sealane.dataplane.linux.peers import is_neighbour

log = logging.getLogger("sealane.supervisor")

STOP_SECONDS = 5.0
LOOK_SECONDS = 2.0
STEADY_SECONDS = 1.0
"""A child that was ready and lived so long starts again at once, however often it died before."""
AGAIN_FIRST, AGAIN_LAST = 0.1, 5.0
"""Seconds before a child that dies early starts again: the first pause, doubled each time, and the longest."""
BEAT_SECONDS = 2.0
"""Between two signs of life of a child that gives them: `Channel.beat`."""
SILENT_SECONDS = 8.0
"""A child whose signs of life have not come for so long is said to be silent in cluster.json."""
HANG_SECONDS = 15.0
"""A child whose signs of life have not come for so long hangs: it says where, and is started again."""
KEPT_MOST = 512
"""Sockets that are kept for one child: the supervisor itself has need of descriptors."""
SIGNAL_WHERE = signal.SIGUSR2
"""At which a child writes into its log what each of its threads does."""
MESSAGE = 65536
PR_SET_NAME, PR_SET_PDEATHSIG = 15, 1


@dataclass(frozen=True, slots=True)
class Role:
    """One kind of child.

    main: runs in the forked child with its end of the channel and never returns normally.
    on_demand: started when another child asks for it, not at the beginning.
    """

    name: str
    main: Callable[[Channel], None]
    on_demand: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """The children of a cluster: `first` is forked at once, the others when `share` has made what they share."""

    first: Role
    share: Callable[[], None]
    then: tuple[Role, ...]

    @property
    def roles(self) -> tuple[Role, ...]:
        return (self.first, *self.then)


class Channel:
    """A child's line to the supervisor: a SOCK_SEQPACKET socket, a message each.

    kept: listening sockets of the process of this role before, by name.
    """

    def __init__(self, sock: socket.socket, kept: Mapping[str, socket.socket] | None = None) -> None:
        self._socket = sock
        self._kept = dict(kept or {})
        self.beats = False
        """Whether this process gives signs of life: the first one at the latest with `ready`."""

    def ready(self) -> None:
        """This process does its work now."""
        memory.settle()
        if self.beats:
            self.beat()
        self._send({"ready": True})

    def beat(self) -> None:
        """The event loop of this process turns. Who has said so once has to go on with it."""
        self._send({"beat": True})

    def need(self, role: str) -> None:
        """Start the on-demand process `role`, if it does not run yet."""
        self._send({"need": role})

    def failed(self, message: str) -> None:
        """This cluster cannot run; tell the user `message` and stop."""
        self._send({"failed": message})

    def listening(self, name: str, make: Callable[[], socket.socket]) -> socket.socket:
        """The socket that the process before had under `name`, else a new one; it is kept until `close` of that name.

        Raises what `make` raises.
        """
        if (kept := self._kept.pop(name, None)) is not None:
            return kept
        made = make()
        self._send({"keep": name}, made)
        return made

    def close(self, name: str) -> None:
        """Who listens under `name` has closed the socket: it is kept no more."""
        self._send({"close": name})

    def close_rest(self) -> None:
        """What the process before listened on, and this one has not asked for, is kept no more."""
        for name, sock in self._kept.items():
            sock.close()
            self.close(name)
        self._kept.clear()

    def _send(self, message: dict[str, object], *sockets: socket.socket) -> None:
        with contextlib.suppress(OSError):
            socket.send_fds(self._socket, [json.dumps(message).encode()], [each.fileno() for each in sockets])


@dataclass(slots=True)
class Child:
    role: Role
    pid: int = 0
    started: int = 0
    born: float = 0.0
    restarts: int = 0
    early: int = 0  # deaths in a row before it was steady
    ready: bool = False
    channel: socket.socket | None = None
    kept: dict[str, socket.socket] = field(default_factory=dict)  # its listening sockets, by name
    due: float | None = None  # when to start it again
    beaten: float | None = None  # when its last sign of life came; None of a child that gives none
    silent: bool = False  # that was a while ago


@dataclass(slots=True)
class Caller:
    sock: socket.socket
    buffer: bytes = b""
    waiting: bool = False
    owns: bool = False


@dataclass
class Supervisor:
    folder: Folder
    record: Record
    plan: Plan
    children: dict[str, Child] = field(default_factory=dict)
    callers: dict[int, Caller] = field(default_factory=dict)
    stopping: bool = False
    abandoned: bool = False
    """Its owner has gone: nobody will ask for its folder."""
    failure: str = ""
    looked: float = field(default_factory=time.monotonic)
    """When hanging children were last looked for."""

    def run(self) -> None:
        """Serves until told to stop."""
        self.selector = selectors.DefaultSelector()
        wake_read, wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        self.selector.register(wake_read, selectors.EVENT_READ, lambda: os.read(wake_read, 4096))
        self.listener = self._listen()
        self.selector.register(self.listener, selectors.EVENT_READ, self._accept)
        self.home = self.folder.path.stat().st_ino
        self.children = {role.name: Child(role) for role in self.plan.roles}
        self._start(self.children[self.plan.first.name])
        self.plan.share()
        gc.freeze()  # shared pages stay shared: the collector does not touch them in the children
        for role in self.plan.then:
            if not role.on_demand:
                self._start(self.children[role.name])
        gc.enable()
        while not self.stopping:
            for key, _ in self.selector.select(self._patience()):
                key.data()
            self._reap()
            self._end_hanging()
            self._restart_due()
            if self._homeless():
                log.error("%s was removed; this cluster ends", self.folder.path)
                self.stopping = True
        self._stop_all()

    def _on_signal(self, number: int, _frame: object) -> None:
        if number != signal.SIGCHLD:
            self.stopping = True

    def _patience(self) -> float:
        due = [child.due for child in self.children.values() if child.due is not None]
        return max(0.0, min([time.monotonic() + LOOK_SECONDS, *due]) - time.monotonic())

    def _homeless(self) -> bool:
        """Whether the state folder is gone: then no command can reach this cluster any more."""
        try:
            return self.folder.path.stat().st_ino != self.home
        except OSError:
            return True

    # Children

    def _start(self, child: Child) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid == 0:
            self._become(child, theirs)
        theirs.close()
        ours.setblocking(False)
        child.pid, child.started, child.born = pid, start_time(pid), time.monotonic()
        child.ready, child.due, child.channel = False, None, ours
        child.beaten, child.silent = None, False
        self.selector.register(ours, selectors.EVENT_READ, lambda: self._hear(child))
        self._write_record()

    def _become(self, child: Child, sock: socket.socket) -> None:
        role, status = child.role, 1
        try:
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                signal.signal(number, signal.SIG_DFL)
            libc = ctypes.CDLL(None)
            libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            libc.prctl(PR_SET_NAME, f"sealane:{role.name}"[:15].encode())
            if os.getppid() != self.record_pid:
                os._exit(1)  # the supervisor died between fork and prctl
            for other in self.children.values():
                if other.channel is not None:
                    other.channel.close()
                for kept in other.kept.values() if other is not child else ():
                    kept.close()
            for caller in self.callers.values():
                caller.sock.close()
            self.selector.close()
            self.listener.close()
            redirect(self.folder.logs / f"{role.name}.log")
            faulthandler.register(SIGNAL_WHERE, file=2, all_threads=True)
            role.main(Channel(sock, child.kept))
            status = 0
        except KeyboardInterrupt:
            status = 130
        except BaseException:
            log.exception("%s failed", role.name)
        finally:
            logging.shutdown()
            os._exit(status)

    @property
    def record_pid(self) -> int:
        supervisor = self.record.supervisor
        return supervisor.pid if supervisor else 0

    def _hear(self, child: Child) -> None:
        """Reads all that a child has said, and notices its end."""
        while (channel := child.channel) is not None:
            descriptors: list[int] = []
            try:
                message, descriptors, _, _ = socket.recv_fds(channel, MESSAGE, 1, socket.MSG_CMSG_CLOEXEC)
            except BlockingIOError:
                return
            except OSError:
                message = b""
            if not message:
                self._forget_channel(child)
                return
            self._take(child, json.loads(message), [socket.socket(fileno=each) for each in descriptors])

    def _forget_channel(self, child: Child) -> None:
        if child.channel is not None:
            self.selector.unregister(child.channel)
            child.channel.close()
            child.channel = None

    def _take(self, child: Child, message: dict[str, Any], sockets: Sequence[socket.socket]) -> None:
        if message.get("ready"):
            child.ready = True
            log.info("%s is ready %.0f ms after its start", child.role.name, 1000 * (time.monotonic() - child.born))
            self._answer_waiting()
        elif message.get("beat"):
            child.beaten = time.monotonic()
        elif message.get("failed"):
            self.failure = message["failed"]
            self.stopping = True
        for gone in (message.get("keep"), message.get("close")):
            if gone in child.kept:
                child.kept.pop(gone).close()
        for sock in sockets:
            if len(child.kept) < KEPT_MOST:
                child.kept[message["keep"]] = sock
            else:
                sock.close()
        wanted = self.children.get(message.get("need", ""))
        if wanted is not None and wanted.pid == 0 and wanted.due is None:
            self._start(wanted)

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            for child in self.children.values():
                if child.pid == pid:
                    self._hear(child)  # what it said last, such as why it failed
                    self._forget_channel(child)
                    log.error("%s (pid %d) ended with status %d", child.role.name, pid, status)
                    steady = (child.ready or child.role.on_demand) and time.monotonic() - child.born >= STEADY_SECONDS
                    child.early = 0 if steady else child.early + 1
                    child.pid, child.ready, child.restarts = 0, False, child.restarts + 1
                    child.due = time.monotonic() + pause(child.early)

    def _end_hanging(self) -> None:
        """A child that hangs writes into its log where (`faulthandler`), and is killed; then it starts again as any."""
        now = time.monotonic()
        slept, self.looked = now - self.looked > 2 * LOOK_SECONDS, now
        silent = [child.silent for child in self.children.values()]
        for child in self.children.values():
            if not child.pid or child.beaten is None:
                continue
            if slept:  # this process was stopped itself, perhaps with all others: they have their time anew
                child.beaten = now
            elif now - child.beaten > HANG_SECONDS:
                log.error("%s (pid %d) hangs for %.0f s and is killed", child.role.name, child.pid, HANG_SECONDS)
                child.beaten = None
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child.pid, SIGNAL_WHERE)
                    time.sleep(0.05)
                    os.kill(child.pid, signal.SIGKILL)
                continue
            child.silent = now - child.beaten > SILENT_SECONDS
        if silent != [child.silent for child in self.children.values()]:
            self._write_record()

    def _restart_due(self) -> None:
        now = time.monotonic()
        for child in self.children.values():
            if child.due is not None and child.due <= now and not self.stopping:
                log.info("starting %s again", child.role.name)
                self._start(child)

    def _stop_all(self) -> None:
        self.record = replace(self.record, phase="stopping")
        self._write_record()
        # In reverse: what serves pods goes before the API that it reports to.
        alive = [child for child in reversed(self.children.values()) if child.pid]
        for child in alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child.pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        pending = {child.pid for child in alive}
        while pending:
            try:
                pid, _ = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid:
                pending.discard(pid)
            elif time.monotonic() > deadline:
                for pid in pending:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                deadline = float("inf")
            else:
                time.sleep(0.005)
        answer: dict[str, object] = {"ok": not self.failure}
        if self.failure:
            answer["error"] = self.failure
            with contextlib.suppress(OSError):
                replace_file(self.folder.failure, self.failure)  # for a caller that has not asked yet
        for caller in self.callers.values():
            with contextlib.suppress(OSError):
                caller.sock.setblocking(True)
                caller.sock.sendall(json.dumps(answer).encode() + b"\n")

    def _write_record(self) -> None:
        supervisor = self.record.supervisor
        processes = [supervisor] if supervisor else []
        for child in self.children.values():
            if child.pid:
                processes.append(Process(child.role.name, child.pid, child.started, child.restarts, child.silent))
        self.record = replace(self.record, processes=tuple(processes))
        try:
            self.folder.write(self.record)
        except OSError as error:  # such as a full disk; the lock and the socket still say that this cluster runs
            log.error("cluster.json is not written: %s", error)

    # Callers

    def _listen(self) -> socket.socket:
        path = self.folder.supervisor_socket
        path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(bytes(path))
        path.chmod(0o600)
        listener.listen(16)
        listener.setblocking(False)
        return listener

    def _accept(self) -> None:
        try:
            sock, _ = self.listener.accept()
        except BlockingIOError:
            return
        if not is_neighbour(sock):
            sock.close()
            return
        sock.setblocking(False)
        caller = self.callers[sock.fileno()] = Caller(sock)
        self.selector.register(sock, selectors.EVENT_READ, lambda: self._serve(caller))

    def _serve(self, caller: Caller) -> None:
        try:
            data = caller.sock.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            if caller.owns and not self.stopping:
                self.stopping = self.abandoned = True
            self.callers.pop(caller.sock.fileno(), None)
            self.selector.unregister(caller.sock)
            caller.sock.close()
            return
        *lines, caller.buffer = (caller.buffer + data).split(b"\n")
        for line in lines:
            try:
                op = json.loads(line).get("op")
            except (ValueError, AttributeError):
                op = None
            if op == "wait":
                caller.waiting = True
                self._write_record()  # callers can read it, also when the last one was damaged
                self._answer_waiting()
            elif op == "own":
                caller.owns = True
            elif op == "down":
                self.stopping = True
            else:
                with contextlib.suppress(OSError):
                    caller.sock.sendall(b'{"ok": false, "error": "unknown op"}\n')

    def _answer_waiting(self) -> None:
        if not all(child.ready for child in self.children.values() if not child.role.on_demand):
            return
        if self.record.phase == "starting":
            self.record = replace(self.record, phase="running")
            self._write_record()
        for caller in self.callers.values():
            if caller.waiting:
                caller.waiting = False
                with contextlib.suppress(OSError):
                    caller.sock.sendall(b'{"ok": true}\n')


def pause(early: int) -> float:
    """Seconds before a child starts again after so many early deaths in a row; a steady one at once."""
    return min(AGAIN_LAST, AGAIN_FIRST * 2.0 ** (min(early, 16) - 1)) if early else 0.0


def redirect(path: Path) -> None:
    """Sends stdout, stderr and logging of this process to `path`, appending."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    os.dup2(fd, 1)
    os.dup2(fd, 2)
    os.close(fd)
    logging.basicConfig(
        level=os.environ.get("SEALANE_LOG", "INFO").upper(),
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
        force=True,
    )
