"""DefaultIngressClass: https://kubernetes.io/docs/concepts/services-networking/ingress/#default-ingress-class"""

from __future__ import annotations

from sealane.apiserver.admission.attempts import Attempt, Step
from sealane.apiserver.errors import forbidden
from sealane.apiserver.storage.store import Store
from sealane.kube import kinds
from sealane.kube.objects import Raw

_DEFAULT = "ingressclass.kubernetes.io/is-default-class"
_OLD = "kubernetes.io/ingress.class"
_CLASSES = (kinds.INGRESSCLASS.group, kinds.INGRESSCLASS.plural)


def step(store: Store) -> Step:
    def mutate(attempt: Attempt) -> Raw:
        new = attempt.new
        assert new is not None
        if attempt.operation != "CREATE":
            return new
        spec = new.get("spec") or {}
        if spec.get("ingressClassName") or _OLD in (new["metadata"].get("annotations") or {}):
            return new
        classes = [
            stored.object.name for stored in store.items(_CLASSES) if stored.object.annotations.get(_DEFAULT) == "true"
        ]
        if not classes:
            return new
        if len(classes) > 1:
            why = f"{len(classes)} default IngressClasses were found, only 1 allowed"
            raise forbidden(kinds.INGRESS, attempt.name, why)
        return {**new, "spec": {**spec, "ingressClassName": classes[0]}}

    return Step("DefaultIngressClass", frozenset({(kinds.INGRESS.group, kinds.INGRESS.plural)}), mutate=mutate)
