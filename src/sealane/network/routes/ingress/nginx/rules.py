"""The rules of a host, from the Ingresses of the class of ingress-nginx that share it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from sealane.network.provenance import Provenance
from sealane.network.routes.filters.headers import HeaderEdit
from sealane.network.routes.filters.redirect import Redirect
from sealane.network.routes.ingress.bound import BoundIngress
from sealane.network.routes.ingress.nginx import body_size, canary, locations
from sealane.network.routes.ingress.nginx.features import Feature
from sealane.network.routes.ingress.nginx.settings import Settings, settings
from sealane.network.routes.model.http import Forward, HostKey, Respond, Rule
from sealane.network.routes.model.matches import Match, PathMatch

if TYPE_CHECKING:
    from sealane.kube.shapes import Ingress

PORT = 80
HTTPS = Redirect(scheme="https", status=308)
_HSTS = HeaderEdit(set=(("strict-transport-security", "max-age=31536000; includeSubDomains"),))
"""Of answers over TLS, where the host has a certificate of its own (hsts, hsts-max-age, hsts-include-subdomains)."""
_CHALLENGE = "/.well-known/acme-challenge"
"""What is below stays without TLS (no-tls-redirect-locations)."""


def last(ingress: Ingress) -> tuple[str, str, str, int, int]:
    """The age of what comes after all paths of a host, among its equals the oldest first."""
    created = ingress.metadata.get("creationTimestamp") or ""
    return (f"~{created}", ingress.namespace, ingress.name, 0, 0)


def bound(ingress: Ingress, made: BoundIngress, rules: dict[str, list[Rule]], default: Rule | None) -> BoundIngress:
    """`made` with all that its annotations say; `rules` with its other names.

    default: spec.defaultBackend, which beside rules is the last resort of the Ingress's own hosts.
    """
    said = settings(ingress.annotations)
    own = list(rules)
    redirected: dict[str, str] = {}
    for host in own:
        bare = host.removeprefix("www.")
        if said.www and host and not host.startswith("*"):
            redirected[bare if bare != host else f"www.{host}"] = host
        for alias in said.aliases:
            rules.setdefault(alias, rules[host])
    aliases = frozenset(rules) - frozenset(own)
    redirected = {name: host for name, host in redirected.items() if name not in rules}
    rules.update({name: [] for name in redirected})
    problems = list(made.problems)
    if said.regex:
        for rule in (each for host in own for each in rules[host]):
            if wrong := locations.problem(rule.match.path.value):
                problems.append(f"path {rule.match.path.value} is left out, it is no regular expression here: {wrong}")
    end = default or Rule(Match(), Respond(404), Provenance(ingress.key), last(ingress))
    return replace(
        made,
        problems=tuple(problems),
        settings=said,
        last=end if said.canary is None else None,
        aliases=aliases,
        redirected=redirected,
    )


def rules_at(key: HostKey, ingresses: Sequence[BoundIngress]) -> Iterator[Rule]:
    """The rules of a virtual host in their order.

    Requests without TLS are sent on to TLS where the host has a certificate of its own, whichever Ingress it is from
    (ssl-redirect).
    """
    found = [(each, each.settings) for each in ingresses if each.settings is not None]
    host = key.hostname
    mains = [(each, said) for each, said in found if said.canary is None and host not in each.redirected]
    own = [(each, said) for each, said in mains if host not in each.aliases] or mains
    made = _served(key, own, [(each, said) for each, said in found if said.canary is not None])
    if not own:
        made = ((rule, 0) for rule in _redirected(host, [each for each, _ in found]))
    for number, rule in enumerate(body_size.checked(made)):
        yield replace(rule, rank=(0, number))


def _redirected(host: str, ingresses: Iterable[BoundIngress]) -> Iterator[Rule]:
    for each in ingresses:
        if to := each.redirected.get(host):
            yield Rule(Match(), Redirect(hostname=to, status=308), Provenance(each.key), (each.created, "", "", 0, 0))


def _served(
    key: HostKey,
    own: Sequence[tuple[BoundIngress, Settings]],
    canaries: Sequence[tuple[BoundIngress, Settings]],
) -> Iterator[tuple[Rule, int]]:
    """Rules with the largest body that each takes."""
    regex = any(said.regex for _, said in (*own, *canaries))
    certified = any(key.hostname in each.certificates for each, _ in own)
    secured = key.port == PORT and certified
    end = min((each.last for each, _ in own if each.last is not None), key=lambda rule: rule.age, default=None)
    found: list[tuple[tuple[object, ...], Rule, PathMatch, Settings]] = []
    for each, said in own:
        if said.app_root:
            root = Respond(302, location=f"${{scheme}}://${{http_host}}{said.app_root}")
            rule = Rule(Match(PathMatch("exact", "/")), root, Provenance(each.key), (each.created, "", "", 0, 0))
            found.append(((False, -(1 << 30), rule.age), rule, rule.match.path, said))
        for rule in (*each.rules[key], *([end] if end is not None and end is each.last else [])):
            path = rule.match.path
            for one in locations.located(rule, said.rewrite, regex=regex):
                found.append((locations.order(one, path), one, path, said))
    for _, rule, path, said in sorted(found, key=lambda item: item[0]):
        redirected = key.port == PORT and (said.forced or (said.to_https and secured))
        challenge = path.value.startswith(_CHALLENGE)
        for part in _split(key, rule, path, canaries):
            for inner in _expanded(part, said.inside):
                elsewhere = isinstance(inner.action, Respond) and inner.action.location
                if redirected and not challenge and not elsewhere:
                    inner = replace(inner, action=HTTPS)
                if certified and key.port != PORT:
                    inner = replace(inner, response_headers=_HSTS.then(inner.response_headers or HeaderEdit()))
                yield from ((outer, said.body_size) for outer in _expanded(inner, said.outside))


def _split(
    key: HostKey, main: Rule, path: PathMatch, canaries: Iterable[tuple[BoundIngress, Settings]]
) -> Iterator[Rule]:
    """A path has one canary: the first that has the same path."""
    for each, said in canaries:
        for rule in each.rules.get(key, ()):
            if rule.match.path == path and said.canary is not None and isinstance(main.action, Forward):
                assert isinstance(rule.action, Forward)
                other = replace(main, action=replace(main.action, backends=rule.action.backends), origin=rule.origin)
                yield from canary.split(said.canary, main, other)
                return
    yield main


def _expanded(rule: Rule, features: Iterable[tuple[Feature, object]]) -> Iterator[Rule]:
    made = [rule]
    for feature, said in features:
        made = [one for each in made for one in feature.expand(said, each)]
    yield from made
