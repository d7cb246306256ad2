"""Admission: what the server adds to an object and what it refuses, before it is stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sealane.apiserver.addresses import ranges
from sealane.apiserver.addresses.allocation import allocate
from sealane.apiserver.admission.attempts import Attempt, Steps
from sealane.apiserver.immutable import check_added, check_change
from sealane.apiserver.registry import definitions
from sealane.apiserver.registry.resources import Served
from sealane.apiserver.storage.store import Store
from sealane.apiserver.write import Write
from sealane.kube import kinds, schema
from sealane.kube.checks.fields import check_fields
from sealane.kube.kinds import Kind
from sealane.kube.kinds.defaulting import defaulted
from sealane.kube.kinds.validation import as_api_error, validate
from sealane.kube.objects import Object, Raw
from sealane.kube.problems import Part, Problem
from sealane.network.services.allocation import Allocated, addresses, owner_of, without_former_type


class Admission:
    """Admission of one API: it knows which addresses and ports its Services hold.

    The order: defaults, what `steps` fill in, validation, addresses and ports, what `steps` refuse.
    """

    def __init__(self, store: Store, steps: Steps, taken: definitions.Taken) -> None:
        self._steps = steps
        self._taken = taken
        self._store = store
        self._allocated = Allocated()
        for stored in store.items(ranges.ADDRESSES):
            self._allocated.addresses[stored.object.name] = ranges.parent(stored.object)
        for stored in store.items(("", "services")):
            self._allocated.hold(stored.object.raw)

    def create(self, served: Served, raw: Raw, options: Write) -> Raw:
        """A new object as it is stored. Raises ApiError 400, 403 or 422.

        options.field_validation: what becomes of fields that the kind does not have. "Strict" refuses them, "Warn"
        drops them and says so with `options.warn`, "Ignore" or "" drops them.
        """
        attempt = Attempt("CREATE", served, raw, None, "", options)
        if not served.by_facts:
            from sealane.apiserver.registry import custom  # here, and not above: only custom kinds need what it imports

            raw = _decoded(served, self._steps.mutated(attempt.having(custom.decoded(served, raw, options))), "")
            custom.check_new(served, raw)
        else:
            raw = _checked(served, self._mutated(attempt), options)
        if served.kind == kinds.SERVICE:
            raw = self._with_addresses(raw, None)
        if served.kind == kinds.CRD:
            raw = definitions.completed(raw)
            _warn(raw, options)
            raw = {**raw, "status": definitions.established(raw, self._taken)}
        else:
            raw = born_status(served, raw)
        self._steps.check(attempt.having(raw))
        return raw

    def update(self, served: Served, raw: Raw, old: Raw, subresource: str, options: Write) -> Raw:
        """What replaces `old`, as it is stored. Raises ApiError 400, 403 or 422."""
        attempt = Attempt("UPDATE", served, raw, old, subresource, options)
        if not served.by_facts:
            raw = self._custom_update(attempt)
            self._steps.check(attempt.having(raw))
            return raw
        if subresource in ("status", "approval"):
            raw = _checked_status(served, self._steps.mutated(attempt), options)
            self._steps.check(attempt.having(raw))
            return raw
        raw = _checked(served, self._mutated(attempt), options, old)
        if subresource == "ephemeralcontainers":
            check_added(raw, old)
        else:
            check_change(served, raw, old)
        if served.kind == kinds.CRD:
            raw = definitions.changed(raw, old)
            _warn(raw, options)
            raw = {**raw, "status": definitions.established(raw, self._taken, old)}
        if served.kind == kinds.SERVICE:
            raw = self._with_addresses(raw, old)
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
        """What becomes of a part of an object, such as its scale. Raises ApiError, Unanswered."""
        return self._steps.part(attempt)

    def delete(self, served: Served, old: Raw, options: Write) -> None:
        """Raises ApiError 403 when a step refuses that `old` is deleted."""
        self._steps.check(Attempt("DELETE", served, None, old, "", options))

    def _mutated(self, attempt: Attempt) -> Raw:
        """`attempt.new` with what the server fills in."""
        new, kind = attempt.new, attempt.served.kind
        assert new is not None
        try:
            return self._steps.mutated(attempt.having(_defaulted(kind, new, attempt.old)))
        except (AttributeError, KeyError, TypeError, ValueError):
            # This goes by the types that the schema says. Checking them first would cost every write; so only now.
            problems = validate(new, namespaced=kind.namespaced, old=attempt.old)
            if problems:
                raise as_api_error(new, problems) from None
            raise

    def written(self, served: Served, new: Raw | None, old: Raw | None) -> None:
        """`new` (None: nothing any more) is on its way to the disk in place of `old`."""
        if served.kind == kinds.SERVICE:
            if old is not None:
                self._allocated.release(old)
            if new is not None:
                self._allocated.hold(new)
            before, after = addresses(old), addresses(new)
            if before or after:
                ranges.record(self._store, before, after, owner_of(new or old or {}))
        elif served.kind == kinds.IPADDRESS:
            self._address_written(new, old)

    def _address_written(self, new: Raw | None, old: Raw | None) -> None:
        """An IPAddress is kept from other Services than its own; it stays while its Service does."""
        address = (new or old or {})["metadata"]["name"]
        if new is not None:
            self._allocated.addresses.setdefault(address, ranges.parent(Object(new)))
            return
        owner = self._allocated.addresses.get(address, ("", ""))
        service = self._store.head(("", "services"), *owner)
        if service is not None and address in addresses(service.object.raw):
            ranges.record(self._store, (), (address,), owner)
        else:
            self._allocated.addresses.pop(address, None)

    def _with_addresses(self, service: Raw, old: Raw | None) -> Raw:
        self._allocated.ranges = ranges.usable(self._store)
        return allocate(service, old, self._allocated)


def namespace_objects(namespace: str, root_ca: str) -> list[tuple[Kind, Raw]]:
    """What every namespace holds from its beginning.

    Sources: https://kubernetes.io/docs/concepts/security/service-accounts/#default-service-accounts and
    https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/#bound-service-account-token-volume
    """
    found: list[tuple[Kind, Raw]] = [(kinds.SERVICEACCOUNT, {"metadata": {"name": "default", "namespace": namespace}})]
    if root_ca:
        note = {
            "kubernetes.io/description": "Contains a CA bundle that can be used to verify the kube-apiserver when "
            "using internal endpoints such as the internal service IP or kubernetes.default.svc."
        }
        metadata = {"name": "kube-root-ca.crt", "namespace": namespace, "annotations": note}
        found.append((kinds.CONFIGMAP, {"metadata": metadata, "data": {"ca.crt": root_ca}}))
    return found


def _defaulted(kind: Kind, new: Raw, old: Raw | None) -> Raw:
    """`new` with what its kind begins with. `old` is None for a create."""
    if kind == kinds.NAMESPACE and old is not None:
        new = {**new, "spec": old.get("spec") or {}}  # only the subresource finalize writes it
    elif kind == kinds.CRD and old is None:
        metadata = new["metadata"]
        finalizers = [each for each in metadata.get("finalizers") or () if each != definitions.CUSTOM_RESOURCES]
        new = {**new, "metadata": {**metadata, "finalizers": [*finalizers, definitions.CUSTOM_RESOURCES]}}
    elif kind == kinds.SERVICECIDR and old is None:
        metadata = new["metadata"]
        finalizers = [each for each in metadata.get("finalizers") or () if each != ranges.FINALIZER]
        new = {**new, "metadata": {**metadata, "finalizers": [*finalizers, ranges.FINALIZER]}}
    elif kind == kinds.SERVICE and old is not None:
        new = without_former_type(new, old)
    return defaulted(new)


def _decoded(served: Served, raw: Raw, strictness: str) -> Raw:
    """A custom object after steps may have changed it."""
    from sealane.apiserver.registry import custom

    return custom.decoded(served, raw, Write(field_validation=strictness))


def _warn(crd: Raw, options: Write) -> None:
    for each in definitions.warnings_of(crd):
        options.warn(each)


def _checked(served: Served, raw: Raw, options: Write, old: Raw | None = None) -> Raw:
    """`raw` without fields that its kind does not have. Raises ApiError for all other problems."""
    return _without_unknown(raw, validate(raw, namespaced=served.kind.namespaced, old=old), options)


def _checked_status(served: Served, raw: Raw, options: Write) -> Raw:
    """Only the status is checked: nothing else was written."""
    status = schema.child(schema.root(served.kind.api_version, served.kind.kind), "status")
    if status is None or "status" not in raw:
        return raw
    return _without_unknown(raw, list(check_fields(Part(raw)["status"], status)), options)


def _without_unknown(raw: Raw, problems: Sequence[Problem], options: Write) -> Raw:
    """Source: https://kubernetes.io/docs/reference/using-api/api-concepts/#setting-the-field-validation-level"""
    if not problems:
        return raw
    unknown = [each for each in problems if each.reason == "UnknownField"]
    strictness = options.field_validation
    if len(unknown) < len(problems) or strictness == "Strict":
        refused = [each for each in problems if each.reason != "UnknownField" or strictness == "Strict"]
        raise as_api_error(raw, refused)
    for each in unknown:
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
    kind = served.kind
    if kind == kinds.NODE or not served.has_status:
        return raw
    if kind == kinds.POD:
        return {**raw, "status": {"phase": "Pending", "qosClass": qos_class(raw.get("spec") or {})}}
    if kind == kinds.NAMESPACE:
        return {**raw, "status": {"phase": "Active"}}
    if kind == kinds.SERVICECIDR:
        return {**raw, "status": {"conditions": [ranges.condition(True, "", "Kubernetes Service CIDR is ready")]}}
    if kind in (kinds.SERVICE, kinds.INGRESS):
        return {**raw, "status": {"loadBalancer": {}}}
    if kind == kinds.ADMISSIONPOLICY:  # its expressions were compiled when it was validated
        return {**raw, "status": {"observedGeneration": 1, "typeChecking": {}}}
    if kind.group == "apps":
        return {**raw, "status": {"replicas": 0} if kind != kinds.DEPLOYMENT else {}}
    return {key: value for key, value in raw.items() if key != "status"}


def qos_class(spec: Mapping[str, Any]) -> str:
    """Source: https://kubernetes.io/docs/concepts/workloads/pods/pod-qos/"""
    containers = [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
    asked = [container.get("resources") or {} for container in containers if isinstance(container, Mapping)]
    if not any(each.get("requests") or each.get("limits") for each in asked):
        return "BestEffort"
    for each in asked:
        limits, requests = each.get("limits") or {}, each.get("requests") or {}
        if any(not limits.get(name) or requests.get(name, limits[name]) != limits[name] for name in ("cpu", "memory")):
            return "Burstable"
    return "Guaranteed"
