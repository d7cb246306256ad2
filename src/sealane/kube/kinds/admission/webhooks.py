"""MutatingWebhookConfiguration and ValidatingWebhookConfiguration.

Source: k8s.io/kubernetes/pkg/apis/admissionregistration/validation, k8s.io/apiserver/pkg/util/webhook/validation.go
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from urllib.parse import urlsplit

from sealane.kube import names
from sealane.kube.checks.common import check_text, check_unique
from sealane.kube.checks.metadata import check_selector
from sealane.kube.problems import Part, Problem

_OPERATIONS = ("*", "CONNECT", "CREATE", "DELETE", "UPDATE")
_SCOPES = ("*", "Cluster", "Namespaced")
_KNOWN_REVIEWS = ("v1", "v1beta1")
_CHOICES = (
    ("failurePolicy", ("Fail", "Ignore")),
    ("matchPolicy", ("Equivalent", "Exact")),
    ("reinvocationPolicy", ("IfNeeded", "Never")),
)
_SIDE_EFFECTS = ("None", "NoneOnDryRun")
_LONGEST = 30


def check_webhooks(obj: Part) -> Iterator[Problem]:
    hooks = obj.each("webhooks")
    for hook in hooks:
        yield from _check_hook(hook)
    yield from check_unique(hooks, "name")


def _check_hook(hook: Part) -> Iterator[Problem]:
    name = hook["name"]
    if name.empty:
        yield name.required()
    else:
        yield from check_text(name, names.dns_subdomain)
        if isinstance(name.value, str) and name.value.count(".") < 2:
            yield name.invalid("should be a domain with at least three segments separated by dots")
    for rule in hook.each("rules"):
        yield from _check_rule(rule)
    for field, allowed in _CHOICES:
        if hook[field].present and hook[field].value not in allowed:
            yield hook[field].not_supported(allowed)
    effects = hook["sideEffects"]
    if not effects.present:
        yield effects.required(f"must specify one of {', '.join(_SIDE_EFFECTS)}")
    elif effects.value not in _SIDE_EFFECTS:
        yield effects.not_supported(_SIDE_EFFECTS)
    seconds = hook.number("timeoutSeconds")
    if seconds is not None and not 1 <= seconds <= _LONGEST:
        yield hook["timeoutSeconds"].invalid("the timeout value must be between 1 and 30 seconds")
    yield from check_selector(hook["namespaceSelector"])
    yield from check_selector(hook["objectSelector"])
    yield from _check_client(hook["clientConfig"])
    yield from _check_reviews(hook)
    for condition in hook.each("matchConditions"):
        if not condition.text("name"):
            yield condition["name"].required()
        if not condition.text("expression").strip():
            yield condition["expression"].required()
    yield from check_unique(hook.each("matchConditions"), "name")


def _check_rule(rule: Part) -> Iterator[Problem]:
    for field in ("operations", "apiGroups", "apiVersions", "resources"):
        part = rule[field]
        if part.empty:
            yield part.required()
        elif field != "resources" and isinstance(part.value, list) and len(part.value) > 1 and "*" in part.value:
            what = {"operations": "operations", "apiGroups": "API groups", "apiVersions": "API versions"}[field]
            yield part.invalid(f"if '*' is present, must not specify other {what}")
    for operation in rule.each("operations"):
        if operation.value not in _OPERATIONS:
            yield operation.not_supported(_OPERATIONS)
    for version in rule.each("apiVersions"):
        if version.value == "":
            yield version.required()
    for resource in rule.each("resources"):
        if resource.value == "":
            yield resource.required()
    if rule["scope"].present and rule["scope"].value not in _SCOPES:
        yield rule["scope"].not_supported(_SCOPES)


def _check_client(client: Part) -> Iterator[Problem]:
    url, service = client["url"], client["service"]
    if url.present == service.present:
        yield client.required("exactly one of url or service is required")
        return
    if url.present:
        yield from _check_url(url)
    else:
        for field in ("name", "namespace"):
            if not service.text(field):
                yield service[field].required(f"service {field} is required")
        path = service.text("path")
        if path and not path.startswith("/"):
            yield service["path"].invalid("must start with a '/'")
        port = service.number("port")
        if port is not None and not 1 <= port <= 65535:
            yield service["port"].invalid("port is not valid: must be between 1 and 65535, inclusive")
    bundle = client.text("caBundle")
    if bundle:
        try:
            trusted = b"-----BEGIN CERTIFICATE-----" in base64.b64decode(bundle)
        except (binascii.Error, ValueError):
            trusted = False
        if not trusted:
            yield client["caBundle"].invalid("unable to load root certificates: unable to parse bytes as PEM block")


def _check_url(url: Part) -> Iterator[Problem]:
    form = "desired format: https://host[/path]"
    try:
        found = urlsplit(str(url.value))
        host = found.hostname
    except ValueError:
        yield url.required(f"url must be a valid URL; {form}")
        return
    if found.scheme != "https":
        yield url.invalid(f"'https' is the only allowed URL scheme; {form}", found.scheme)
    if not host:
        yield url.invalid(f"host must be specified; {form}", "")
    if found.username is not None:
        yield url.invalid("user information is not permitted in the URL")
    if found.fragment:
        yield url.invalid("fragments are not permitted in the URL", found.fragment)
    if found.query:
        yield url.invalid("query parameters are not permitted in the URL", found.query)


def _check_reviews(hook: Part) -> Iterator[Problem]:
    part = hook["admissionReviewVersions"]
    versions = part.value if isinstance(part.value, list) else []
    if not versions:
        yield part.required("must specify one of v1, v1beta1")
        return
    seen = set()
    for each in hook.each("admissionReviewVersions"):
        if str(each.value) in seen:
            yield each.invalid("duplicate version")
        seen.add(str(each.value))
    if not seen & set(_KNOWN_REVIEWS):
        yield part.invalid(f"must include at least one of {', '.join(_KNOWN_REVIEWS)}")
