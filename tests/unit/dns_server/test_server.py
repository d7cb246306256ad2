"""The server over real sockets, asked by dnspython as any client would."""

from __future__ import annotations

import socket
import time
from collections import Counter

import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import pytest

from sealane.network.names import Record, ZoneData

from .conftest import ALIAS, EXTERNAL, PEERS, SRV, WEB, Running


def ask(
    running: Running, name: str, type_: str = "A", *, tcp: bool = False, edns: int | None = None
) -> dns.message.Message:
    query = dns.message.make_query(name, type_, use_edns=0 if edns else False, payload=edns or 1232)
    send = dns.query.tcp if tcp else dns.query.udp
    return send(query, running.address[0], 5, running.address[1])


def data(response: dns.message.Message) -> list[str]:
    return [str(record) for rrset in response.answer for record in rrset]


@pytest.mark.parametrize("tcp", [False, True])
def test_a_service(running: Running, tcp: bool) -> None:
    for _ in range(2):  # The second comes from the prepared packet.
        response = ask(running, WEB, tcp=tcp)
        assert response.rcode() == dns.rcode.NOERROR
        assert response.flags & dns.flags.AA
        assert response.answer[0].to_text() == f"{WEB}. 5 IN A 10.96.0.20"


def test_srv_with_the_address_of_its_target(running: Running) -> None:
    response = ask(running, SRV, "SRV")
    assert response.answer[0].to_text() == f"{SRV}. 5 IN SRV 0 100 80 {WEB}."
    assert response.additional[0].to_text() == f"{WEB}. 5 IN A 10.96.0.20"


@pytest.mark.parametrize(
    ("name", "type_", "rcode"),
    [
        (WEB, "AAAA", "NOERROR"),
        (WEB, "HTTPS", "NOERROR"),
        ("shop.svc.cluster.local", "A", "NOERROR"),
        ("nope.shop.svc.cluster.local", "A", "NXDOMAIN"),
        ("web.nope.svc.cluster.local", "A", "NXDOMAIN"),
    ],
)
def test_negative_answers_carry_the_soa(running: Running, name: str, type_: str, rcode: str) -> None:
    for _ in range(2):
        response = ask(running, name, type_)
        assert dns.rcode.to_text(response.rcode()) == rcode
        assert not response.answer
        (authority,) = response.authority
        assert (str(authority.name), authority.rdtype, authority.ttl) == ("cluster.local.", dns.rdatatype.SOA, 5)
        assert authority[0].minimum == 5


@pytest.mark.parametrize(
    ("name", "type_", "answer"),
    [
        ("cluster.local", "SOA", "ns.dns.cluster.local. hostmaster.cluster.local."),
        ("cluster.local", "NS", "ns.dns.cluster.local."),
        ("dns-version.cluster.local", "TXT", '"1.1.0"'),
        ("10-244-1-7.shop.pod.cluster.local", "A", "10.244.1.7"),
        ("fd00--7.shop.pod.cluster.local", "AAAA", "fd00::7"),
        (WEB, "ANY", "10.96.0.20"),
    ],
)
def test_other_records(running: Running, name: str, type_: str, answer: str) -> None:
    assert data(ask(running, name, type_))[0].startswith(answer)


def test_the_case_of_the_question_is_kept(running: Running) -> None:
    mixed = "wEb.Shop.SVC.Cluster.Local."
    response = ask(running, mixed)
    assert response.question[0].name.to_text() == mixed
    assert data(response) == ["10.96.0.20"]


def test_the_first_address_takes_turns(running: Running) -> None:
    first = Counter(data(ask(running, PEERS, edns=4096))[0] for _ in range(64))
    assert len(first) >= 8
    assert max(first.values()) <= 16


def test_what_does_not_fit_is_truncated_and_whole_over_tcp(running: Running) -> None:
    plain = ask(running, PEERS)
    assert plain.flags & dns.flags.TC
    assert 0 < len(data(plain)) < 100
    assert len(plain.to_wire()) <= 512
    assert len(data(ask(running, PEERS, edns=4096))) == 100
    assert len(data(ask(running, PEERS, tcp=True))) == 100


def test_edns_is_answered_with_edns(running: Running) -> None:
    assert ask(running, WEB, edns=1232).edns == 0
    assert ask(running, WEB).edns == -1
    query = dns.message.make_query(WEB, "A")
    query.use_edns(1)
    response = dns.query.udp(query, running.address[0], 5, running.address[1])
    assert response.rcode() == dns.rcode.BADVERS


def test_options_get_an_answer_too(running: Running) -> None:
    for cookie in (b"12345678", b"87654321"):
        query = dns.message.make_query(WEB, "A", use_edns=0, options=[dns.edns.GenericOption(10, cookie)])
        assert data(dns.query.udp(query, running.address[0], 5, running.address[1])) == ["10.96.0.20"]


def test_several_questions_on_one_connection(running: Running) -> None:
    with socket.create_connection(running.address, 5) as connection:
        for name in (WEB, PEERS, "api.example.com"):
            query = dns.message.make_query(name, "A")
            dns.query.send_tcp(connection, query)
            response, _ = dns.query.receive_tcp(connection, time.time() + 5)
            assert response.id == query.id
            assert response.answer


def test_a_change_is_seen_by_the_next_question(running: Running) -> None:
    name = "new.shop.svc.cluster.local"
    old = ZoneData((Record(name, "A", "10.96.0.30"),))
    new = ZoneData((Record(name, "A", "10.96.0.31"),))
    for before, after, expected in ((None, old, ["10.96.0.30"]), (old, new, ["10.96.0.31"]), (new, None, [])):
        ask(running, name)
        running.call(lambda before=before, after=after: running.table.change(before, after))  # type: ignore[misc]
        assert data(ask(running, name)) == expected
    assert ask(running, name).rcode() == dns.rcode.NXDOMAIN


def test_other_names_are_asked_upstream_once(running: Running) -> None:
    for _ in range(3):
        response = ask(running, "API.example.com")
        assert data(response) == ["edge.example.net.", "192.0.2.80"]
        assert response.question[0].name.to_text() == "API.example.com."
        assert response.edns == -1
        assert not response.flags & dns.flags.AA
    assert running.upstream.asked.count("api.example.com.") == 1


def test_negative_answers_from_upstream_are_remembered(running: Running) -> None:
    for _ in range(3):
        assert ask(running, "nothing.example.com").rcode() == dns.rcode.NXDOMAIN
    assert running.upstream.asked.count("nothing.example.com.") == 1


def test_a_long_answer_from_upstream(running: Running) -> None:
    plain = ask(running, "big.example.com")
    assert plain.flags & dns.flags.TC
    assert len(data(ask(running, "big.example.com", tcp=True))) == 100
    assert len(data(ask(running, "big.example.com", edns=4096))) == 100


def test_an_external_name_is_followed(running: Running) -> None:
    response = ask(running, EXTERNAL)
    assert data(response) == ["api.example.com.", "edge.example.net.", "192.0.2.80"]
    assert data(ask(running, EXTERNAL, "CNAME")) == ["api.example.com."]
    assert data(ask(running, ALIAS)) == [f"{WEB}.", "10.96.0.20"]


def test_without_upstream_nobody_is_waited_for(alone: Running) -> None:
    assert ask(alone, "example.com").rcode() == dns.rcode.REFUSED
    response = ask(alone, EXTERNAL)
    assert response.rcode() == dns.rcode.SERVFAIL
    assert data(response) == ["api.example.com."]
    assert data(ask(alone, WEB)) == ["10.96.0.20"]


def test_garbage_does_not_stop_it(running: Running) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(5)
        for packet in (b"", b"\0", b"\1\2\1\0\0\1" + bytes(6), b"\1\2\1\0\0\1" + bytes(6) + b"\xc0\x0c\0\1\0\1"):
            client.sendto(packet, running.address)
        assert client.recv(512)[3] & 0xF == dns.rcode.FORMERR
    with socket.create_connection(running.address, 5) as connection:
        connection.sendall(b"\0\2ab")
        assert connection.recv(10) == b""
    assert data(ask(running, WEB)) == ["10.96.0.20"]


def test_what_is_longer_than_a_message_can_be_is_truncated_over_tcp(running: Running) -> None:
    name = "many.shop.svc.cluster.local"
    many = ZoneData(tuple(Record(name, "A", f"10.{x}.{y}.1") for x in range(20) for y in range(250)))
    running.call(lambda: running.table.change(None, many))
    response = ask(running, name, tcp=True)
    assert response.flags & dns.flags.TC
    assert len(data(response)) == (65535 - len(response.question[0].to_text().split()[0]) - 17) // 16
    running.call(lambda: running.table.change(many, None))
    assert data(ask(running, WEB, tcp=True)) == ["10.96.0.20"]
