"""CustomResourceDefinitions: which are accepted, and what the server itself writes into them.

Source: https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/,
apiextensions.k8s.io/v1 in the API reference and k8s.io/apiextensions-apiserver/pkg/controller (conditions)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from sealane.apiserver.clock import timestamp
from sealane.apiserver.errors import bad_request, invalid
from sealane.kube.kinds import CRD
from sealane.kube.objects import Raw
from sealane.kube.structural.approval import approval, protected

Taken = Callable[[str, tuple[str, str]], tuple[set[str], set[str]]]
"""Taken(group, resource): names of resources and of kinds that others in the group have."""

_NOT_CALLED = (
    "spec.conversion.strategy: Webhook: conversion webhooks are not called here; objects are given in every version as "
    "they are stored, with another apiVersion"
)


def completed(crd: Raw) -> Raw:
    """With the names and the conversion that it leaves out. Raises ApiError 422 when it could not be served."""
    return _checked(_defaulted(crd), None)


def changed(crd: Raw, old: Raw) -> Raw:
    """As `completed`, in place of `old`."""
    return _checked(_defaulted(crd), old)


def _checked(crd: Raw, old: Raw | None) -> Raw:
    # Only clusters with definitions read schemas: the others do without these imports.
    from sealane.kube.structural.definition import definition_causes
    from sealane.kube.structural.typed import wrong_types

    for version in crd["spec"].get("versions") or ():
        schema = (version.get("schema") or {}).get("openAPIV3Schema")
        wrong = next(wrong_types(schema), None) if schema is not None else None
        if wrong is not None:
            path, got, wanted = wrong
            where = f"JSONSchemaProps.spec.versions.schema.openAPIV3Schema{f'.{path}' if path else ''}"
            raise bad_request(
                'CustomResourceDefinition in version "v1" cannot be handled as a CustomResourceDefinition: json: '
                f"cannot unmarshal {got} into Go struct field {where} of type {wanted}"
            )
    causes = definition_causes(crd, old)
    if causes:
        raise invalid(CRD, crd["metadata"]["name"], *causes)
    return crd


def _defaulted(crd: Raw) -> Raw:
    spec: Raw = crd.get("spec") or {}
    names: Raw = spec.get("names") or {}
    kind = str(names.get("kind") or "")
    names = {**({"singular": kind.lower(), "listKind": f"{kind}List"} if kind else {}), **names}
    return {**crd, "spec": {"conversion": {"strategy": "None"}, **spec, "names": names}}


def warnings_of(crd: Raw) -> Iterator[str]:
    if (crd["spec"].get("conversion") or {}).get("strategy") == "Webhook":
        yield _NOT_CALLED


def established(crd: Raw, taken: Taken, old: Raw | None = None) -> Raw:
    """The status of a definition: it is served as soon as it is stored, unless its names belong to another.

    old: what it replaces; names that were accepted stay so, and what is served stays served.
    """
    spec = crd["spec"]
    status: Raw = (old or {}).get("status") or {}
    accepted, problem = _accepted(spec, status.get("acceptedNames") or {}, taken)
    was = {each.get("type"): each for each in status.get("conditions") or ()}
    found = [("NamesAccepted", *(("False", *problem) if problem else ("True", "NoConflicts", "no conflicts found")))]
    if was.get("Established", {}).get("status") == "True" or problem is None:
        found.append(("Established", "True", "InitialNamesAccepted", "the initial names have been accepted"))
    else:
        found.append(("Established", "False", "NotAccepted", "not all names are accepted"))
    if protected(spec["group"]):
        state, why = approval(crd["metadata"].get("annotations") or {})
        reason = {"approved": "ApprovedAnnotation", "bypassed": "UnapprovedAnnotation", "missing": "MissingAnnotation"}
        conformant = "True" if state == "approved" else "False"
        kind = "KubernetesAPIApprovalPolicyConformant"
        found.append((kind, conformant, reason.get(state, "InvalidAnnotation"), why))
    known = {type_ for type_, *_ in found}
    conditions = [_condition(*each, was.get(each[0])) for each in found]
    conditions += [each for type_, each in was.items() if type_ not in known]
    stored = list(status.get("storedVersions") or ())
    stored += [each["name"] for each in spec["versions"] if each.get("storage") and each["name"] not in stored]
    return {"conditions": conditions, "acceptedNames": accepted, "storedVersions": stored}


def _condition(type_: str, status: str, reason: str, message: str, was: Raw | None) -> Raw:
    same = was is not None and was.get("status") == status
    time = was["lastTransitionTime"] if same and was and "lastTransitionTime" in was else timestamp()
    return {"type": type_, "status": status, "reason": reason, "message": message, "lastTransitionTime": time}


def _accepted(spec: Raw, before: Raw, taken: Taken) -> tuple[Raw, tuple[str, str] | None]:
    """The names that the definition has from now on, and (reason, message) when it cannot have all that it wants."""
    wanted: Raw = spec["names"]
    words, kinds = taken(spec["group"], (spec["group"], wanted["plural"]))
    names: Raw = {key: value for key, value in before.items() if key != "categories"}
    problem: tuple[str, str] | None = None
    for field, others, reason in (
        ("plural", words, "PluralConflict"),
        ("singular", words, "SingularConflict"),
        ("shortNames", words, "ShortNamesConflict"),
        ("kind", kinds, "KindConflict"),
        ("listKind", kinds, "ListKindConflict"),
    ):
        if field not in wanted:
            names.pop(field, None)
            continue
        mine = before.get(field) or ()
        each_wanted: Sequence[str] = wanted[field] if field == "shortNames" else (wanted[field],)
        clashes = [
            each for each in each_wanted if each in others and each not in ([mine] if isinstance(mine, str) else mine)
        ]
        if clashes:
            said = [f'"{each}" is already in use' for each in clashes]
            problem = (reason, said[0] if len(said) == 1 else f"[{', '.join(said)}]")
        else:
            names[field] = wanted[field]
    if wanted.get("categories"):
        names["categories"] = wanted["categories"]
    return names, problem
