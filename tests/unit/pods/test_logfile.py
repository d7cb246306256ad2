"""The log of a container: what is written is what is shown, and what a query leaves of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealane.dataplane.pods.logfile import Query, Shown, encode, stamp, start_of_tail
from sealane.dataplane.pods.logsource import Unavailable, log_of

SECOND = 1_000_000_000


def log(*pieces: bytes) -> bytes:
    """Pieces of output, one a second from 1970 on."""
    return b"".join(encode(piece, "stdout", number * SECOND) for number, piece in enumerate(pieces, 1))


def test_the_form_of_the_cri() -> None:
    assert encode(b"one\ntw", "stderr", 5 * SECOND + 6) == (
        b"1970-01-01T00:00:05.000000006Z stderr F one\n1970-01-01T00:00:05.000000006Z stderr P tw\n"
    )


@given(st.lists(st.binary(max_size=40)), st.integers(1, 50))
def test_what_is_shown_is_what_was_printed_however_it_was_cut(pieces: list[bytes], cut: int) -> None:
    written, shown = log(*pieces), Shown(Query())
    parts = [shown.feed(written[start : start + cut]) for start in range(0, len(written), cut)]
    assert b"".join(parts) == b"".join(pieces)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (Query(since=2.0), b"b\ncd\n"),
        (Query(since=2.5), b"cd\n"),
        (Query(limit=3), b"a\nb"),
        (Query(timestamps=True, since=2.0), stamp(2 * SECOND) + b" b\n" + stamp(3 * SECOND) + b" cd\n"),
    ],
)
def test_what_a_query_leaves(query: Query, expected: bytes) -> None:
    shown = Shown(query)
    assert shown.feed(log(b"a\n", b"b\n", b"c", b"d\n")) == expected
    assert shown.is_over == bool(query.limit)


@given(st.lists(st.binary(min_size=1, max_size=20), min_size=1), st.integers(0, 12))
def test_the_tail_has_the_last_lines(tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes], lines: int) -> None:
    path = tmp_path_factory.getbasetemp() / "log"
    path.write_bytes(log(*pieces))
    shown = Shown(Query()).feed(path.read_bytes()[start_of_tail(path, lines) :])
    printed = b"".join(pieces).splitlines(keepends=True) if b"\r" not in b"".join(pieces) else None
    if printed is not None and not any(mark in b"".join(pieces) for mark in (b"\x0b", b"\x0c", b"\x1c")):
        assert shown == b"".join(printed[-lines:] if lines else [])


def test_the_tail_of_a_log_of_many_chunks(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"".join(encode(b"%d\n" % number, "stdout", SECOND) for number in range(10_000)))
    shown = Shown(Query()).feed(path.read_bytes()[start_of_tail(path, 4000) :])
    assert shown.split()[0] == b"6000"
    assert len(shown.split()) == 4000


RUNNING = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
ENDED = {"terminated": {"exitCode": 1, "containerID": "sealane://u/c/0"}}


@pytest.mark.parametrize(
    ("state", "last", "previous", "expected"),
    [
        (RUNNING, {}, False, "last"),
        (ENDED, {}, False, "last"),
        (RUNNING, ENDED, True, "previous"),
        ({"waiting": {"reason": "CrashLoopBackOff"}}, ENDED, False, "last"),
        ({"waiting": {"reason": "CrashLoopBackOff"}}, ENDED, True, "last"),
        (RUNNING, {}, True, 'previous terminated container "c" in pod "p" not found'),
        (
            {"waiting": {"reason": "ContainerCreating"}},
            {},
            False,
            'container "c" in pod "p" is waiting to start: ContainerCreating',
        ),
    ],
)
def test_which_log_is_meant(state: object, last: object, previous: bool, expected: str) -> None:
    status = {"containerStatuses": [{"name": "c", "state": state, "lastState": last}]}
    try:
        found: str = log_of(status, "p", "c", previous=previous)
    except Unavailable as error:
        found = str(error)
    assert found == expected


def test_a_container_without_a_status() -> None:
    with pytest.raises(Unavailable, match='container "other" in pod "p" is not available'):
        log_of({"containerStatuses": []}, "p", "other", previous=False)
