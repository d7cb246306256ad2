"""Admission plugins: one module each, one `Step` (or a function that makes it) each. `steps` is their order.

A plugin reads the store and what it is asked about; it writes nothing. Source of names and order:
https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/ and
k8s.io/kubernetes/pkg/kubeapiserver/options/plugins.go (AllOrderedPlugins)
"""

from __future__ import annotations

from sealane.apiserver.access.rbac import Authorizer
from sealane.apiserver.admission.attempts import Step
from sealane.apiserver.admission.plugins import (
    certificates,
    default_ingress_class,
    limit_ranger,
    pod_security,
    rbac_escalation,
    resource_quota,
    service_account,
    service_warnings,
    stored_only,
    topology_keys,
    validating_policies,
)
from sealane.apiserver.registry.resources import Resources
from sealane.apiserver.storage.store import Store


def steps(store: Store, authorizer: Authorizer, resources: Resources) -> tuple[Step, ...]:
    """Every plugin of one API, in the order in which they look at a request."""
    return (
        topology_keys.step(),
        service_warnings.step(),
        stored_only.step(),
        limit_ranger.step(store),
        service_account.step(store),
        default_ingress_class.step(store),
        pod_security.step(store),
        certificates.step(authorizer),
        rbac_escalation.step(authorizer),
        validating_policies.step(store, resources, authorizer),
        resource_quota.step(store),
    )
