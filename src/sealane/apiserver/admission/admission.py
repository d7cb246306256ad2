"""Admission: what the server adds to an object and what it refuses, before it is stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sealane.apiserver.admission.attempts import Attempt, Steps
from sealane.apiserver.admission.completion import PLAIN, Completion
from sealane.apiserver.clock import timestamp
from sealane.apiserver.registry.resources import Served
from sealane.apiserver.storage.backends import Resource
from sealane.apiserver.write import Write
from sealane.kube import schema
from sealane.kube.checks.fields import check_fields
from sealane.kube.kinds.defaulting import defaulted, without_status
from sealane.kube.kinds.definition import Definition
from sealane.kube.kinds.validation import as_api_error, changes, dropped_problems, validate
from sealane.kube.objects import Raw
from sealane.kube.problems import Part, Problem


class Admission:
    """Admission of one API.

    The order: defaults, what `steps` fill in, validation, what `completions` add, what `steps` refuse.
    """

    def __init__(self, steps: Steps, completions: Mapping[Resource, Completion]) -> None:
        self._steps = steps
        self._completions = completions

    def create(self, served: Served, raw: Raw, options: Write) -> Raw:
        """A new object as it is stored. Raises ApiError 400, 403 or 422.

        options.field_validation: what becomes of fields that the kind does not have. "Strict" refuses them, "Warn"
        drops them and says so with `options.warn`, "Ignore" or "" drops them.
        """
        attempt = Attempt("CREATE", served, raw, None, "", options)
        if not served.by_facts:
            from sealane.apiserver.registry import custom  # here, and not above: only custom kinds need what it imports

            raw = without_status(served.kind, custom.decoded(served, raw, options))
            raw = _decoded(served, self._steps.mutated(attempt.having(raw)), "")
            custom.check_new(served, raw)
        else:
            kept = without_status(served.kind, raw)
            dropped = dropped_problems(raw) if kept is not raw else ()
            raw = _checked(served, self._mutated(attempt.having(kept)), options, dropped=dropped)
        raw = self._completion(served).complete(born_status(served, raw), None, options)
        self._steps.check(attempt.having(raw))
        return raw

    def update(
        self, served: Served, raw: Raw, old: Raw, subresource: str, options: Write, sent: Raw | None = None
    ) -> Raw:
        """The object that replaces `old`, as it is stored. Raises ApiError 400, 403 or 422.

        sent: what the client wants, with a status that does not count; None: the same.
        """
        attempt = Attempt("UPDATE", served, raw, old, subresource, options)
        if not served.by_facts:
            raw = self._custom_update(attempt)
            self._steps.check(attempt.having(raw))
            return raw
        if subresource in ("status", "approval"):
            raw = _checked_status(served, self._steps.mutated(attempt), options)
        else:
            drops = not subresource and sent is not None and served.has_status
            dropped = dropped_problems(sent) if sent is not None and drops else ()
            raw = _checked(served, self._mutated(attempt), options, old, subresource, dropped)
        problems = changes(served.definition, raw, old, subresource)
        if problems:
            raise as_api_error(raw, problems)
        if not subresource:
            raw = self._completion(served).complete(raw, old, options)
        self._steps.check(attempt.having(raw))
        return raw

    def _custom_update(self, attempt: Attempt) -> Raw:
        from sealane.apiserver.registry import custom

        served, options, old = attempt.served, attempt.options, attempt.old
        assert attempt.new is not None
        assert old is not None
        status = attempt.subresource == "status"
        # Of a status update only the status is the client's: what was stored before it is not pruned with words.
        raw = custom.decoded(served, attempt.new, options)
        raw = _decoded(served, self._steps.mutated(attempt.having(raw)), "")
        if status:
            custom.check_status(served, raw, old, options)
        else:
            custom.check_change(served, raw, old, options)
        return raw

    def part(self, attempt: Attempt) -> Raw:
        """A part of an object, such as its scale, after admission. Raises ApiError, Unanswered."""
        return self._steps.part(attempt)

    def delete(self, served: Served, old: Raw, options: Write) -> None:
        """Raises ApiError 403 when a step refuses that `old` is deleted."""
        self._steps.check(Attempt("DELETE", served, None, old, "", options))

    def _mutated(self, attempt: Attempt) -> Raw:
        """`attempt.new` with what the server fills in."""
        new, kind = attempt.new, attempt.served.kind
        assert new is not None
        try:
            return self._steps.mutated(attempt.having(_defaulted(attempt.served.definition, new, attempt.old)))
        except (AttributeError, KeyError, TypeError, ValueError):
            # This goes by the types that the schema says. Checking them first would cost every write; so only now.
            problems = validate(new, namespaced=kind.namespaced, old=attempt.old)
            if problems:
                raise as_api_error(new, problems) from None
            raise

    def written(self, served: Served, new: Raw | None, old: Raw | None) -> None:
        """`new` (None: nothing any more) is on its way to the disk in place of `old`."""
        self._completion(served).written(new, old)

    def _completion(self, served: Served) -> Completion:
        return PLAIN if served.custom else self._completions.get(served.resource, PLAIN)


def _defaulted(row: Definition, new: Raw, old: Raw | None) -> Raw:
    """`new` with what its kind begins with. `old` is None for a create."""
    if old is not None:
        new = row.carried(new, old)
    elif row.finalizers:
        metadata = new["metadata"]
        given = [each for each in metadata.get("finalizers") or () if each not in row.finalizers]
        new = {**new, "metadata": {**metadata, "finalizers": [*given, *row.finalizers]}}
    return defaulted(new)


def _decoded(served: Served, raw: Raw, strictness: str) -> Raw:
    """A custom object after steps may have changed it."""
    from sealane.apiserver.registry import custom

    return custom.decoded(served, raw, Write(field_validation=strictness))


def _checked(
    served: Served,
    raw: Raw,
    options: Write,
    old: Raw | None = None,
    subresource: str = "",
    dropped: Sequence[Problem] = (),
) -> Raw:
    """`raw` without fields that its kind does not have. Raises ApiError for all other problems.

    What is refused for what it is says as well what may not become of `old`, as upstream's ValidateUpdate does.
    dropped: the problems of what was sent and is not in `raw`.
    """
    problems = validate(raw, namespaced=served.kind.namespaced, old=old)
    if old is not None and problems and not any(each.undecodable for each in problems):
        problems += changes(served.definition, raw, old, subresource)
    return _without_unknown(raw, problems, options, dropped)


def _checked_status(served: Served, raw: Raw, options: Write) -> Raw:
    """Only the status is checked: nothing else was written."""
    status = schema.child(schema.root(served.kind.api_version, served.kind.kind), "status")
    if status is None or "status" not in raw:
        return raw
    return _without_unknown(raw, list(check_fields(Part(raw)["status"], status)), options)


def _without_unknown(raw: Raw, problems: Sequence[Problem], options: Write, dropped: Sequence[Problem] = ()) -> Raw:
    """Source: https://kubernetes.io/docs/reference/using-api/api-concepts/#setting-the-field-validation-level"""
    problems = [*problems, *dropped] if dropped else problems
    if not problems:
        return raw
    unknown = [each for each in problems if each.reason == "UnknownField"]
    strictness = options.field_validation
    if len(unknown) < len(problems) or strictness == "Strict":
        refused = [each for each in problems if each.reason != "UnknownField" or strictness == "Strict"]
        raise as_api_error(raw, refused)
    for each in unknown:
        if each not in dropped:
            raw = _pruned(raw, each.path)
        if strictness == "Warn":
            options.warn(f'unknown field "{each.field}"')
    return raw


def _pruned(value: Any, path: Sequence[str | int]) -> Any:
    """`value` without what is at `path`; what is beside the path is shared."""
    head, *rest = path
    if isinstance(value, list) and isinstance(head, int):
        return [*value[:head], _pruned(value[head], rest), *value[head + 1 :]]
    if rest:
        return {**value, head: _pruned(value[head], rest)}
    return {key: each for key, each in value.items() if key != head}


def born_status(served: Served, raw: Raw) -> Raw:
    """A new object has the status that its kind begins with, whatever the client wrote."""
    birth = served.definition.birth
    if not served.has_status or birth is None:
        return raw
    status = birth(raw, timestamp())
    if status is not None:
        return {**raw, "status": status}
    return {key: value for key, value in raw.items() if key != "status"}
