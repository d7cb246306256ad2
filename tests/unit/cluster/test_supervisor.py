"""The supervisor with children that do next to nothing: real forks, real signals, a real socket."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sealane.cluster import lifecycle, supervisor
from sealane.cluster.processes import loop
from sealane.cluster.processes.loop import serve
from sealane.cluster.state import Folder, Options, Process, Record, start_time
from sealane.cluster.supervisor import STEADY_SECONDS, Channel, Plan, Role, Supervisor, pause
from sealane.testing.cluster import eventually

# Other tests may have left threads in this process; the child only uses what it makes itself.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")


def idle(channel: Channel) -> None:
    channel.ready()
    signal.pause()


def asks_for_more(channel: Channel) -> None:
    channel.ready()
    channel.need("extra")
    signal.pause()


def cannot(channel: Channel) -> None:
    channel.failed("no such thing on this machine")
    signal.pause()


def hangs_once(marker: Path) -> Callable[[Channel], None]:
    async def work(channel: Channel) -> None:
        channel.ready()
        await asyncio.sleep(0.2)
        if not marker.exists():
            marker.touch()
            time.sleep(3600)  # on the event loop
        await asyncio.sleep(3600)

    return lambda channel: serve(work(channel), beating=channel)


def listens(marker: Path) -> Callable[[Channel], None]:
    """Says its pid to whoever connects, but not in its first life, and closes another socket in its second."""

    def main(channel: Channel) -> None:
        def listening() -> socket.socket:
            return socket.create_server(("127.0.0.1", 0))

        kept = channel.listening("kept", listening)
        if not marker.exists():
            other = channel.listening("other", listening)
            marker.write_text(f"{kept.getsockname()[1]} {other.getsockname()[1]}")
            channel.ready()
            signal.pause()
        channel.close_rest()
        channel.ready()
        while True:
            with kept.accept()[0] as connection:
                connection.sendall(b"%d" % os.getpid())

    return main


@pytest.fixture
def supervise(tmp_path: Path) -> Iterator[Callable[..., Folder]]:
    folder = Folder(tmp_path / "clusters" / "test")
    pids: list[int] = []

    def start(first: Role, *then: Role) -> Folder:
        plan = Plan(first, lambda: None, then)
        folder.make()
        life = folder.claim()
        assert life is not None
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                own = Process("supervisor", os.getpid(), start_time(os.getpid()))
                Supervisor(folder, Record("test", "starting", Options(), 0, (own,)), plan).run()
                code = 0
            finally:
                os._exit(code)
        os.close(life)
        pids.append(pid)
        return folder

    yield start
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        except (ProcessLookupError, ChildProcessError):
            pass


def pid_of(folder: Folder, role: str) -> int:
    record = folder.read()
    return next((each.pid for each in record.processes if each.role == role), 0) if record else 0


def test_wait_answers_when_all_are_ready_and_down_ends_all(supervise: Callable[..., Folder]) -> None:
    folder = supervise(Role("one", idle), Role("two", asks_for_more), Role("extra", idle, on_demand=True))
    lifecycle.wait(folder)
    record = folder.read()
    assert record is not None
    assert record.phase == "running"
    pids = [eventually(lambda role=role: pid_of(folder, role)) for role in ("one", "two", "extra")]
    supervisor = pid_of(folder, "supervisor")
    assert lifecycle._ask(folder, "down", 60) == {"ok": True}
    os.waitpid(supervisor, 0)
    assert [start_time(pid) for pid in pids] == [0, 0, 0]


def test_a_child_that_dies_is_started_again(supervise: Callable[..., Folder]) -> None:
    folder = supervise(Role("one", idle))
    lifecycle.wait(folder)
    first = pid_of(folder, "one")
    os.kill(first, signal.SIGKILL)
    eventually(lambda: pid_of(folder, "one") not in (0, first))
    lifecycle.wait(folder)
    record = folder.read()
    assert record is not None
    assert [each.restarts for each in record.processes if each.role == "one"] == [1]


def test_a_listening_socket_outlives_its_process_and_is_closed_with_its_name(
    supervise: Callable[..., Folder], tmp_path: Path
) -> None:
    marker = tmp_path / "ports"
    folder = supervise(Role("one", listens(marker)), Role("two", idle))
    lifecycle.wait(folder)
    kept, other = map(int, marker.read_text().split())
    with socket.create_connection(("127.0.0.1", kept)) as waiting:
        first = pid_of(folder, "one")
        os.kill(pid_of(folder, "two"), signal.SIGKILL)  # started after the sockets were made: it must not hold them
        os.kill(first, signal.SIGKILL)
        eventually(lambda: pid_of(folder, "one") not in (0, first))
        assert int(waiting.recv(100)) == pid_of(folder, "one")

    def refused() -> bool:
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", other)) == errno.ECONNREFUSED

    eventually(refused)


def test_early_deaths_in_a_row_cost_longer_pauses_and_a_steady_life_forgets_them() -> None:
    assert [pause(early) for early in range(9)] == [0.0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]


def test_a_child_that_was_steady_starts_again_at_once_however_often_it_died(supervise: Callable[..., Folder]) -> None:
    folder = supervise(Role("one", idle))
    for death in range(7):  # the seventh pause in a row would be 5 s
        lifecycle.wait(folder)
        record = folder.read()
        assert record is not None
        [one] = [each for each in record.processes if each.role == "one"]
        assert one.restarts == death
        time.sleep(STEADY_SECONDS + 0.1)
        os.kill(one.pid, signal.SIGKILL)
        eventually(lambda old=one.pid: pid_of(folder, "one") not in (0, old), seconds=4)


def test_children_die_with_the_supervisor(supervise: Callable[..., Folder]) -> None:
    folder = supervise(Role("one", idle))
    lifecycle.wait(folder)
    child, supervisor = pid_of(folder, "one"), pid_of(folder, "supervisor")
    os.kill(supervisor, signal.SIGKILL)
    os.waitpid(supervisor, 0)
    eventually(lambda: start_time(child) == 0)
    record = folder.read()
    assert record is not None
    assert not record.running


def test_a_child_that_cannot_work_says_why(supervise: Callable[..., Folder]) -> None:
    folder = supervise(Role("one", cannot))
    with pytest.raises(lifecycle.StartError, match="no such thing"):
        lifecycle.wait(folder)


def test_stop_clears_what_a_killed_supervisor_left(supervise: Callable[..., Folder]) -> None:
    folder = supervise(Role("one", idle))
    lifecycle.wait(folder)
    supervisor = pid_of(folder, "supervisor")
    os.kill(supervisor, signal.SIGKILL)
    os.waitpid(supervisor, 0)
    with folder.lock():
        assert lifecycle.stop(folder)
    assert not folder.path.exists()


def test_the_folder_is_private(supervise: Callable[..., Folder]) -> None:
    folder = supervise(Role("one", idle))
    lifecycle.wait(folder)
    loose = [
        path
        for path in [folder.path, *folder.path.rglob("*")]
        if not path.is_symlink() and path.stat().st_mode & 0o077 and not path.is_socket()
    ]
    assert loose == []
    assert folder.supervisor_socket.stat().st_mode & 0o077 == 0


def test_a_child_is_said_to_be_silent_until_it_goes_on(
    supervise: Callable[..., Folder], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "SILENT_SECONDS", 0.5)
    monkeypatch.setattr(supervisor, "LOOK_SECONDS", 0.1)
    monkeypatch.setattr(loop, "BEAT_SECONDS", 0.1)

    async def work(channel: Channel) -> None:
        channel.ready()
        await asyncio.sleep(3600)

    folder = supervise(Role("beats", lambda channel: serve(work(channel), beating=channel)))
    lifecycle.wait(folder)

    def silent() -> bool:
        record = folder.read()
        assert record is not None
        return any(each.silent for each in record.processes)

    pid = pid_of(folder, "beats")
    os.kill(pid, signal.SIGSTOP)
    eventually(silent)
    os.kill(pid, signal.SIGCONT)
    eventually(lambda: not silent())
    assert pid_of(folder, "beats") == pid
    assert lifecycle.stop(folder)


def test_a_child_whose_event_loop_hangs_says_where_and_is_started_again(
    supervise: Callable[..., Folder], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "HANG_SECONDS", 0.5)
    monkeypatch.setattr(supervisor, "LOOK_SECONDS", 0.1)
    monkeypatch.setattr(loop, "BEAT_SECONDS", 0.1)
    folder = supervise(Role("hangs", hangs_once(tmp_path / "hung")), Role("idle", idle))
    lifecycle.wait(folder)
    idling = pid_of(folder, "idle")
    record = eventually(lambda: (found := folder.read()) and any(each.restarts for each in found.processes) and found)
    assert {each.role: each.restarts for each in record.processes if each.restarts} == {"hangs": 1}
    assert pid_of(folder, "idle") == idling  # gives no signs of life, and is not asked for any
    assert "in work" in (folder.logs / "hangs.log").read_text()
    assert lifecycle.stop(folder)
