"""Datagrams through a proxy: the rules of its pod."""

from __future__ import annotations

from sealane.dataplane.nft.datagrams import Share, table


def rules(*shares: Share) -> list[str]:
    lines = [line.strip() for line in table([(53, shares)]).splitlines()]
    return [line for line in lines if "udp dport" in line]


def test_the_last_target_takes_what_those_before_have_left() -> None:
    assert rules(Share(3, (("10.244.1.2", 5353),)), Share(1, (("10.244.2.2", 53), ("10.244.3.2", 53)))) == [
        "meta nfproto ipv4 udp dport 53 numgen random mod 1000000 < 750000 dnat ip to 10.244.1.2:5353",
        "meta nfproto ipv4 udp dport 53 numgen random mod 1000000 < 500000 dnat ip to 10.244.2.2:53",
        "meta nfproto ipv4 udp dport 53 dnat ip to 10.244.3.2:53",
        "meta nfproto ipv6 udp dport 53 numgen random mod 1000000 < 750000 drop",
        "meta nfproto ipv6 udp dport 53 drop",
    ]


def test_a_share_without_an_endpoint_is_dropped_and_a_port_without_shares_is_closed() -> None:
    assert rules(Share(1, ())) == ["meta nfproto ipv4 udp dport 53 drop", "meta nfproto ipv6 udp dport 53 drop"]
    assert rules(Share(1, (("fd00::2", 53),)))[1] == "meta nfproto ipv6 udp dport 53 dnat ip6 to [fd00::2]:53"
    assert rules() == []
