from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from sealane.kube.objects import Key
from sealane.network.provenance import Provenance
from sealane.network.routes import hosts
from sealane.network.routes.evaluate import Request, evaluate, mismatch, normalized, path_matches
from sealane.network.routes.filters.headers import HeaderEdit
from sealane.network.routes.filters.redirect import Redirect
from sealane.network.routes.filters.rewrite import PathEdit, Rewrite
from sealane.network.routes.model.http import Backend, Forward, HostKey, Listener, Respond, Rule, virtual_host
from sealane.network.routes.model.l4 import INGRESS_PROXY
from sealane.network.routes.model.matches import Match, PathMatch, ValueMatch

GATEWAY = Key("gateway.networking.k8s.io", "Gateway", "shop", "web")
ORIGIN = Provenance(Key("gateway.networking.k8s.io", "HTTPRoute", "shop", "r"), ("spec", "rules", 0))


def rule(name: str, match: Match, *, created: str = "", action: Forward | Redirect | Respond | None = None) -> Rule:
    target = Forward((Backend(Key("", "Service", "shop", name), 80, 1, ORIGIN),))
    return Rule(match, action or target, ORIGIN, (created, "shop", name, 0, 0))


def answer(hostname: str, rules: list[Rule], request: Request) -> str:
    key = HostKey(request.proxy, 80, hostname)
    decision = evaluate({key: virtual_host(key, rules)}, request)
    return decision.backends[0].service.name if decision.backends else str(decision.status)


def test_order_of_rules() -> None:
    """Each rule also matches what the rule before it matches; the earlier in this list, the higher its precedence."""
    header, query = ValueMatch("version", "2"), ValueMatch("q", "1")
    ordered = [
        rule("exact", Match(PathMatch("exact", "/a/b"))),
        rule("regex", Match(PathMatch("regex", "/a/.*"))),
        rule("longest", Match(PathMatch("prefix", "/a/b"))),
        rule("method", Match(PathMatch("prefix", "/a"), "GET")),
        rule("headers", Match(PathMatch("prefix", "/a"), headers=(header,))),
        rule("query", Match(PathMatch("prefix", "/a"), query=(query,))),
        rule("oldest", Match(PathMatch("prefix", "/a")), created="2024-01-01T00:00:00Z"),
        rule("younger", Match(PathMatch("prefix", "/a")), created="2025-01-01T00:00:00Z"),
    ]
    request = Request(GATEWAY, 80, "shop.example", "/a/b?q=1", headers=(("Version", "2"),))
    for index, first in enumerate(ordered):
        assert answer("", [*ordered[:index:-1], first], request) == first.age[2]


def test_age_then_name_decide_between_equals() -> None:
    rules = [rule("b", Match(), created="2024"), rule("a", Match(), created="2024"), rule("c", Match(), created="2023")]
    assert [item.age[2] for item in virtual_host(HostKey(GATEWAY, 80, ""), rules).rules] == ["c", "a", "b"]


def test_hosts_exact_then_longest_wildcard_then_any() -> None:
    names = {"shop.example.com": "exact", "*.example.com": "long", "*.com": "short", "": "any"}
    model = {
        key: virtual_host(key, [rule(name, Match())])
        for hostname, name in names.items()
        for key in (HostKey(GATEWAY, 80, hostname), HostKey(INGRESS_PROXY, 80, hostname))
    }

    def served(host: str, proxy: Key = GATEWAY) -> str:
        return evaluate(model, Request(proxy, 80, host)).backends[0].service.name

    assert served("shop.example.com") == "exact"
    assert served("SHOP.example.com:8080") == "exact"
    assert served("a.b.example.com") == "long"
    assert served("example.com") == "short"
    assert served("localhost") == "any"
    assert served("[::1]:80") == "any"
    assert served("b.example.com", INGRESS_PROXY) == "long"
    assert served("a.b.example.com", INGRESS_PROXY) == "any"


def test_no_host_and_no_rule_are_404() -> None:
    assert answer("shop.example", [], Request(GATEWAY, 80, "shop.example")) == "404"
    assert answer("shop.example", [rule("a", Match())], Request(GATEWAY, 80, "other.example")) == "404"


def test_prefix_matches_whole_elements() -> None:
    assert path_matches(PathMatch("prefix", "/a/"), "/a")
    assert path_matches(PathMatch("prefix", "/a"), "/a/b")
    assert not path_matches(PathMatch("prefix", "/a"), "/ab")
    assert path_matches(PathMatch("prefix", "/"), "/anything")


def test_paths_are_normalised_but_slashes_stay() -> None:
    paths = ("/a/../b?x=..", "/%61/./%2F", "/a/..", "/..", "//a/b/.", "/a%2e%2E/b", "/.a/..b")
    assert [normalized(path) for path in paths] == ["/b?x=..", "/a/%2F", "/", "/", "//a/b/", "/a../b", "/.a/..b"]


def test_any_of_several_headers_may_match_and_queries_are_taken_as_written() -> None:
    wanted = Match(headers=(ValueMatch("x-a", "2"),), query=(ValueMatch("v", "1"),))
    asked = Request(GATEWAY, 80, "a.test", "/?v=1", headers=(("X-A", "1"), ("x-a", "2")))
    assert not mismatch(wanted, asked)
    assert mismatch(wanted, replace(asked, headers=(("X-A", "1,2"),))) == "header x-a is '1,2', not '2'"
    assert mismatch(wanted, replace(asked, path="/?v=%31")) == "query parameter v is '%31', not '1'"


def test_what_a_backend_changes_comes_after_what_its_rule_changes() -> None:
    rule = HeaderEdit(set=(("a", "1"), ("b", "1")), add=(("c", "1"),), remove=("d",))
    own = HeaderEdit(set=(("a", "2"),), add=(("b", "2"),), remove=("c",))
    headers = (("a", "0"), ("d", "0"), ("c", "0"))
    assert sorted(rule.then(own).apply(headers)) == sorted(own.apply(rule.apply(headers)))


def test_redirect_rewrite_and_headers() -> None:
    to = Redirect("https", "", 0, PathEdit("prefix", "/new"), 301)
    request = Request(GATEWAY, 80, "shop.example:80", "/old/x?y=1", headers=(("X-A", "1"), ("X-B", "2")))
    key = HostKey(GATEWAY, 80, "")
    host = virtual_host(key, [rule("r", Match(PathMatch("prefix", "/old")), action=to)])
    decision = evaluate({key: host}, request)
    assert (decision.status, decision.location) == (301, "https://shop.example/new/x?y=1")

    forward = Forward(
        (Backend(Key("", "Service", "shop", "s"), 80, 1, ORIGIN),), Rewrite("in.example", PathEdit("prefix", "/"))
    )
    edited = Rule(
        Match(PathMatch("prefix", "/old")),
        forward,
        ORIGIN,
        ("", "", "", 0, 0),
        HeaderEdit((("x-a", "9"),), (), ("x-b",)),
    )
    decision = evaluate({key: virtual_host(key, [edited])}, request)
    assert decision.request == Request(GATEWAY, 80, "in.example", "/x?y=1", headers=(("x-a", "9"),))


def test_weights_and_problems() -> None:
    service = Key("", "Service", "shop", "s")
    good, bad, none = (
        Backend(service, 80, 3, ORIGIN),
        Backend(service, 81, 1, ORIGIN, "BackendNotFound"),
        Backend(service, 82, 0, ORIGIN),
    )
    key = HostKey(GATEWAY, 80, "")

    def decide(*backends: Backend) -> tuple[int, int]:
        host = virtual_host(key, [rule("r", Match(), action=Forward(backends))])
        decision = evaluate({key: host}, Request(GATEWAY, 80, "x"))
        return decision.status, len(decision.backends)

    assert decide(good, bad, none) == (0, 2)
    assert decide(bad) == (500, 1)
    assert decide(none) == (500, 0)
    assert decide() == (500, 0)


def test_a_request_belongs_to_the_most_specific_listener() -> None:
    def listener(hostname: str, *rivals: str) -> Listener:
        return Listener(GATEWAY, "l", 80, "HTTP", hostname, ORIGIN, rivals)

    assert not listener("", "*.example.com").owns("a.example.com")
    assert listener("", "*.example.com").owns("*.com")
    assert listener("*.example.com", "", "a.example.com").owns("b.example.com")
    assert not listener("*.example.com", "", "a.example.com").owns("a.example.com")


LABELS = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=4).map(".".join)
HOSTNAMES = st.one_of(st.just(""), LABELS, LABELS.map(lambda name: f"*.{name}"))


@given(HOSTNAMES, HOSTNAMES, LABELS)
def test_intersection_serves_what_both_serve(listener: str, route: str, host: str) -> None:
    both = hosts.intersection(listener, route)
    expected = hosts.matches(listener, host) and hosts.matches(route, host)
    assert (both is not None and hosts.matches(both, host)) == expected


@given(HOSTNAMES, LABELS)
def test_candidates_are_the_hostnames_that_match(hostname: str, host: str) -> None:
    assert (hostname in list(hosts.candidates(host))) == hosts.matches(hostname, host)
