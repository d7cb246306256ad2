"""The definition of CustomResourceDefinition. The errors of a CustomResourceDefinition come from kube/structural."""

from __future__ import annotations

from sealane.kube.kinds import CRD
from sealane.kube.kinds.definition import Definition
from sealane.kube.kinds.extensions import columns

CLEANUP = "customresourcecleanup.apiextensions.k8s.io"
"""Finalizer of a CustomResourceDefinition: its objects go before it does."""

ROWS = (Definition(kind=CRD, finalizers=(CLEANUP,), generation=True, conditional=True, columns=columns.DEFINITION),)
