"""Elements as netlink messages: layouts come from the tables' own text, bytes are those that libnftables sends."""

from __future__ import annotations

import struct
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealane.dataplane.nft import policies, services
from sealane.dataplane.nft.batch import DELETE_ELEMENTS, HEADER, NEW_ELEMENTS, attributes
from sealane.dataplane.nft.chains import TABLE
from sealane.dataplane.nft.elements import Layout, encode, layout, layouts
from sealane.dataplane.nft.generations import at_work, next_to, renamed
from sealane.dataplane.nft.ledger import Phases
from sealane.dataplane.nft.steps import Step

KNOWN = layouts(services.skeleton(), TABLE) | layouts(policies.skeleton(), policies.TABLE)


def test_layouts_are_read_from_declarations() -> None:
    assert KNOWN[f"{TABLE} vips4"] == Layout(("ipv4_addr", "inet_proto", "inet_service"), ("mark",))
    assert KNOWN[f"{TABLE} nodeport-endpoints6"].data == ("ipv6_addr", "inet_service")
    assert KNOWN[f"{TABLE} addresses4"] == Layout(("ipv4_addr",), ())
    assert KNOWN[f"{TABLE} allowed4"].ranges
    assert f"{TABLE} pods4" not in KNOWN  # single ranges, and fixed
    assert layout("type ipv4_addr : mark; flags dynamic, timeout; size 65536;") is None
    assert KNOWN[f"{policies.TABLE} ingress6"].data == ("verdict",)


def parsed(message: bytes) -> tuple[int, str, str, list[dict[int, bytes]]]:
    """(type, table, set, elements) of a message."""
    _, kind, _, _, _ = HEADER.unpack_from(message)
    found = attributes(message[HEADER.size + 4 :])
    elements = []
    rest = found[3]
    while rest:
        size = struct.unpack_from("=H", rest)[0]
        elements.append(attributes(rest[4:size]))
        rest = rest[size:]
    return kind, found[1].rstrip(b"\0").decode(), found[2].rstrip(b"\0").decode(), elements


def value(nested: bytes) -> bytes:
    return attributes(nested)[1]


addresses = st.ip_addresses(v=4).map(str)


@given(st.dictionaries(st.tuples(addresses, st.integers(1, 65535)), st.tuples(addresses, st.integers(1, 65535))))
def test_each_element_is_there_once_with_its_data(drawn: dict[tuple[str, int], tuple[str, int]]) -> None:
    added = {
        f"{TABLE} endpoints4 {address} . udp . {port} . 0x00000007": f"{to} . {number}"
        for (address, port), (to, number) in drawn.items()
    }
    found = {}
    for message in encode((), added, KNOWN, "-2"):
        kind, table, name, elements = parsed(message)
        assert (kind, table, name) == (NEW_ELEMENTS, f"{TABLE}-2", "endpoints4")
        found.update({value(each[1]): value(each[2]) for each in elements})
    assert found == {
        ip_address(address).packed + b"\x11\0\0\0" + struct.pack(">Hxx", port) + struct.pack("=I", 7): ip_address(
            to
        ).packed
        + struct.pack(">Hxx", number)
        for (address, port), (to, number) in drawn.items()
    }


def test_verdicts_and_ranges() -> None:
    name = f"{policies.TABLE} ingress4 10.244.1.2"
    (message,) = encode((), {name: "goto chain"}, KNOWN)
    (element,) = parsed(message)[3]
    verdict = attributes(attributes(element[2])[2])
    assert struct.unpack(">i", verdict[1]) == (-4,)
    assert verdict[2] == b"chain\0"
    (message,) = encode([f"{TABLE} allowed4 10.96.0.1 . tcp . 80 . 10.0.0.0/8"], {}, KNOWN)
    assert parsed(message)[0] == DELETE_ELEMENTS
    (element,) = parsed(message)[3]
    assert value(element[1])[-4:] == bytes((10, 0, 0, 0))
    assert value(element[10])[-4:] == bytes((10, 255, 255, 255))
    assert value(element[1])[:-4] == value(element[10])[:-4]


def test_elements_of_one_set_share_messages_that_are_not_too_long() -> None:
    many = {f"{TABLE} addresses4 10.96.{index // 250}.{index % 250}": "" for index in range(5000)}
    messages = encode(list(many)[:3], many, KNOWN)
    assert [parsed(message)[0] for message in messages] == [DELETE_ELEMENTS, NEW_ELEMENTS, NEW_ELEMENTS]
    assert all(len(message) < 65536 for message in messages)
    assert sum(len(parsed(message)[3]) for message in messages[1:]) == 5000


def test_elements_of_another_shape_are_an_error() -> None:
    with pytest.raises(ValueError, match="3 parts"):
        encode((), {f"{TABLE} vips4 10.96.0.1 . tcp": "0x1"}, KNOWN)
    with pytest.raises(KeyError):
        encode((), {f"{TABLE} nothing 10.96.0.1": ""}, KNOWN)


def test_what_has_commands_goes_as_text() -> None:
    step = Step(Phases(declare="add chain inet sealane-services x\n", added={f"{TABLE} addresses4 10.96.0.1": ""}))
    assert step.commands
    assert step.text("-2").splitlines() == [
        "add chain inet sealane-services-2 x",
        "add element inet sealane-services-2 addresses4 { 10.96.0.1 }",
    ]
    assert not Step(Phases(added={f"{TABLE} addresses4 10.96.0.1": ""})).commands


def test_generations_take_turns() -> None:
    assert at_work({}) is None
    assert next_to(None) == ""
    assert at_work({TABLE: True, f"{TABLE}-2": False}) == ""
    assert next_to("") == "-2"
    assert at_work({f"{TABLE}-2": True, policies.TABLE: False}) == "-2"
    assert next_to("-2") == ""
    for table, skeleton in ((TABLE, services.skeleton()), (policies.TABLE, policies.skeleton())):
        assert renamed(skeleton, "") == skeleton
        assert renamed(skeleton, "-2") == skeleton.replace(table, f"{table}-2")
