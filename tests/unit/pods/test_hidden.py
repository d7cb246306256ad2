"""Where a path of the host is seen, through all that is mounted."""

from __future__ import annotations

from sealane.dataplane.linux.libc import Mounted
from sealane.dataplane.pods.hidden import locate, sights

HOST = [
    Mounted("8:1", "/", "/"),
    Mounted("8:2", "/", "/home"),
    Mounted("8:2", "/ada", "/srv/ada"),
    Mounted("8:2", "/ada/state/one", "/mnt"),
    Mounted("0:9", "/", "/home/ada/state/one/run"),
    Mounted("8:1", "/home", "/old-homes"),
]


def test_a_path_is_in_the_file_system_that_is_mounted_last_above_it() -> None:
    assert locate("/home/ada/state", HOST) == ("8:2", "/ada/state")
    assert locate("/srv/ada/x", HOST) == ("8:2", "/ada/x")
    assert locate("/etc", HOST) == ("8:1", "/etc")
    assert locate("/homes", HOST) == ("8:1", "/homes")
    over = [*HOST, Mounted("0:7", "/", "/home")]
    assert locate("/home/ada", over) == ("0:7", "/ada")


def test_it_is_seen_wherever_its_file_system_is() -> None:
    place = locate("/home/ada/state", HOST)
    assert place is not None
    assert sights([place], HOST) == ["/home/ada/state", "/mnt", "/srv/ada/state"]


def test_below_a_copy_of_all_mounts_it_is_seen_there() -> None:
    copied = [Mounted(one.device, one.root, "/pod/host" + one.point.rstrip("/")) for one in HOST]
    assert sights([("8:1", "/var")], copied) == ["/pod/host/var"]
    assert sights([("0:9", "/")], copied) == ["/pod/host/home/ada/state/one/run"]
