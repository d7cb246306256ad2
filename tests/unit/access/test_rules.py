"""Rules of roles: what they allow, what they cover."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sealane.apiserver.access.action import Action, name_selected, verb_of
from sealane.apiserver.access.refusal import denied
from sealane.apiserver.access.rules import Rule, allows, uncovered
from sealane.apiserver.access.user import User

BOB = User("bob")


def pods(verb: str = "list", **more: str) -> Action:
    return Action(BOB, verb, version="v1", resource="pods", **more)


READ_PODS = Rule(("get", "list"), ("",), ("pods",))


def test_a_rule_allows_its_verbs_on_its_resources_only() -> None:
    assert allows(READ_PODS, pods())
    assert not allows(READ_PODS, pods("delete"))
    assert not allows(READ_PODS, pods(group="metrics.k8s.io"))
    assert not allows(READ_PODS, pods("get", subresource="log"))
    assert allows(Rule(("get",), ("",), ("pods/log",)), pods("get", subresource="log"))
    assert not allows(Rule(("get",), ("",), ("pods/log",)), pods("get"))
    assert allows(Rule(("get",), ("",), ("*/log",)), pods("get", subresource="log"))
    assert not allows(Rule(("get",), ("",), ("*/log",)), pods("get", subresource="exec"))
    assert allows(Rule(("*",), ("*",), ("*",)), pods("get", subresource="exec"))


def test_resource_names_confine_a_rule() -> None:
    rule = Rule(("get", "list", "create"), ("",), ("pods",), ("web",))
    assert allows(rule, pods("get", name="web"))
    assert not allows(rule, pods("get", name="db"))
    assert not allows(rule, pods("create"))  # the name is not known when it is judged
    assert allows(rule, pods("list", name=name_selected({"fieldSelector": "spec.nodeName=n,metadata.name=web"})))


def test_paths_match_whole_or_by_prefix() -> None:
    rule = Rule(("get",), urls=("/healthz", "/logs/*"))
    assert allows(rule, Action(BOB, "get", path="/healthz"))
    assert not allows(rule, Action(BOB, "get", path="/healthz/etcd"))
    assert allows(rule, Action(BOB, "get", path="/logs/a/b"))
    assert not allows(rule, Action(BOB, "post", path="/healthz"))
    assert not allows(Rule(("*",), ("*",), ("*",)), Action(BOB, "get", path="/healthz"))


def test_verbs_of_requests() -> None:
    assert verb_of("GET", "web") == "get"
    assert verb_of("GET", "") == "list"
    assert verb_of("GET", "", watching=True) == "watch"
    assert verb_of("DELETE", "") == "deletecollection"
    assert verb_of("DELETE", "web") == "delete"
    assert verb_of("POST", "") == "create"
    assert verb_of("PUT", "web") == "update"
    assert verb_of("PATCH", "web") == "patch"


def test_denials_are_in_upstreams_words() -> None:
    assert (
        denied(pods(namespace="default"))
        == 'User "bob" cannot list resource "pods" in API group "" in the namespace "default"'
    )
    assert (
        denied(Action(BOB, "create", "apps", "v1", "deployments", "scale"))
        == 'User "bob" cannot create resource "deployments/scale" in API group "apps" at the cluster scope'
    )
    assert denied(Action(BOB, "get", path="/metrics")) == 'User "bob" cannot get path "/metrics"'


def test_what_is_missing_is_named_by_resource() -> None:
    wanted = [Rule(("get", "list", "delete"), ("",), ("pods", "secrets"))]
    missing = uncovered([READ_PODS, Rule(("get",), ("",), ("secrets",))], wanted)
    assert [str(rule) for rule in missing] == [
        '{APIGroups:[""], Resources:["pods"], Verbs:["delete"]}',
        '{APIGroups:[""], Resources:["secrets"], Verbs:["list" "delete"]}',
    ]
    assert uncovered([Rule(("*",), ("*",), ("*",))], wanted) == []
    assert uncovered([READ_PODS], [Rule(("get",), ("",), ("pods",), ("web",))]) == []
    assert uncovered([Rule(("get",), ("",), ("pods",), ("web",))], [Rule(("get",), ("",), ("pods",))])
    assert uncovered([Rule(("get",), urls=("/logs/*",))], [Rule(("get",), urls=("/logs/a", "/logs/*"))]) == []
    assert uncovered([Rule(("get",), urls=("/logs/a",))], [Rule(("get",), urls=("/logs/*",))])


_words = st.lists(st.sampled_from(["a", "b", "a/s", "*"]), min_size=1, max_size=3).map(tuple)
_rules = st.builds(Rule, _words, _words, _words, st.lists(st.sampled_from(["n", "m"]), max_size=2).map(tuple))


@given(
    st.lists(_rules, max_size=3),
    st.lists(_rules, max_size=2),
    st.sampled_from(["a", "b"]),
    st.sampled_from(["a", "b"]),
    st.sampled_from([("a", ""), ("b", ""), ("a", "s")]),
    st.sampled_from(["", "n", "m"]),
)
def test_who_covers_rules_may_do_what_they_allow(
    owned: list[Rule], wanted: list[Rule], verb: str, group: str, resource: tuple[str, str], name: str
) -> None:
    action = Action(BOB, verb, group, "v1", *resource, name=name)
    if not uncovered(owned, wanted) and any(allows(rule, action) for rule in wanted):
        assert any(allows(rule, action) for rule in owned)
