"""The form and the order of a host's paths: the locations that ingress-nginx writes, and how nginx chooses one.

https://kubernetes.github.io/ingress-nginx/user-guide/ingress-path-matching/ and nginx's `location`: an exact path comes
first, then the longest that the request begins with. When one Ingress of a host has use-regex or rewrite-target, all
paths of the host are regular expressions: any case, from the start of the path, the longest tried first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from sealane.kube.regex import PatternError, pattern
from sealane.network.routes.filters.redirect import Redirect
from sealane.network.routes.filters.rewrite import PathEdit, Rewrite
from sealane.network.routes.model.http import Forward, Rule
from sealane.network.routes.model.matches import PathMatch


def located(rule: Rule, rewrite: str, *, regex: bool) -> Iterator[Rule]:
    """The rules of one path. A regular expression that RE2 does not know, as one that looks ahead, has none."""
    path = rule.match.path
    if regex:
        expression = f"(?i)(?:{path.value}).*"
        if problem(path.value):
            return
        match = replace(rule.match, path=PathMatch("regex", expression))
        action = rule.action
        if rewrite and rewrite != path.value and isinstance(action, Forward):
            action = replace(action, rewrite=Rewrite(path=PathEdit("captures", rewrite)))
        yield replace(rule, match=match, action=action)
        return
    if path.kind == "prefix" and path.value.endswith("/") and path.value != "/":
        # What is asked for without its last slash is told to ask with it: nginx, `location`.
        exact = replace(rule.match, path=PathMatch("exact", path.value.rstrip("/")))
        yield replace(rule, match=exact, action=Redirect(path=PathEdit("full", path.value), status=301))
    yield rule


def problem(path: str) -> str:
    """Why a path is no regular expression here, or ""."""
    try:
        pattern(f"(?i)(?:{path}).*")
    except PatternError as error:
        return str(error)
    return ""


def order(rule: Rule, path: PathMatch) -> tuple[object, ...]:
    """Sort key. path: as it was written."""
    exact = rule.match.path.kind == "exact"
    longest = len(path.value) + (path.kind == "prefix" and not path.value.endswith("/"))
    return (not exact, -longest, rule.age)
