"""The supervisor's entry point: python -m sealane.cluster FOLDER OPTIONS-AS-JSON LOCK-FD (see `lifecycle.start`)."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import logging
import os
import signal
import socket
import sys
from pathlib import Path

from sealane.cluster.state import Folder, Options, Process, Record, start_time
from sealane.cluster.supervisor import PR_SET_NAME, Supervisor
from sealane.dataplane.linux import libc
from sealane.dataplane.linux.privileges import Unsupported


def main() -> None:
    folder = Folder(Path(sys.argv[1]))
    os.set_inheritable(int(sys.argv[3]), False)  # the lock of `Folder.claim`: for what is forked, not for pods
    sys.path[:] = [os.path.abspath(path) for path in sys.path]
    started_in = "/"
    with contextlib.suppress(FileNotFoundError):  # a folder that was removed
        started_in = os.getcwd()
    os.chdir("/")  # hold no folder of the user's
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        _run(folder, Options(**json.loads(sys.argv[2])), started_in)
    except (OSError, Unsupported) as error:
        logging.exception("the supervisor ended")
        with contextlib.suppress(OSError):
            folder.failure.write_text(f"{error}\n")
        raise SystemExit(1) from None


def _run(folder: Folder, options: Options, started_in: str) -> None:
    gc.disable()  # what is made while starting stays: it would be looked at in vain (`Channel.ready` enables it)
    from sealane.cluster.processes import plan as plans

    ctypes.CDLL(None).prctl(PR_SET_NAME, b"sealane:super")
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    before = folder.read()
    api = _api_socket(before.api_port if before else 0)
    record = Record(
        folder.name,
        "starting",
        options,
        api.getsockname()[1],
        (Process("supervisor", os.getpid(), start_time(os.getpid())),),
    )
    folder.write(record)
    plan = plans.prepare(folder, options, api, started_in)
    supervisor = Supervisor(folder, record, plan)
    supervisor.run()
    if supervisor.abandoned:
        libc.unmount(str(folder.run))
        folder.remove()


def _api_socket(port: int) -> socket.socket:
    """The API's socket on loopback: at the port it had before, when that is free, so that kubeconfigs stay right."""
    for candidate in (port, 0):
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind(("127.0.0.1", candidate))
        except OSError:
            sock.close()
            continue
        sock.listen(1024)
        return sock
    raise OSError("no free port on 127.0.0.1 for the API")


if __name__ == "__main__":
    main()
