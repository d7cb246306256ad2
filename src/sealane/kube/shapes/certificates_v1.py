"""Types of certificates/v1.

Written by tools/shapes.py from the facts; for the type checker only, never imported at run time.
"""

from __future__ import annotations

from typing import Required, TypedDict

from sealane.kube.shapes import meta_v1


class CertificateSigningRequest(TypedDict, total=False):
    apiVersion: str
    kind: str
    metadata: meta_v1.ObjectMeta
    spec: Required[CertificateSigningRequestSpec]
    status: CertificateSigningRequestStatus


class CertificateSigningRequestCondition(TypedDict, total=False):
    lastTransitionTime: str
    lastUpdateTime: str
    message: str
    reason: str
    status: Required[str]
    type: Required[str]


class CertificateSigningRequestSpec(TypedDict, total=False):
    expirationSeconds: int
    extra: dict[str, list[str]]
    groups: list[str]
    request: Required[str]
    signerName: Required[str]
    uid: str
    usages: list[str]
    username: str


class CertificateSigningRequestStatus(TypedDict, total=False):
    certificate: str
    conditions: list[CertificateSigningRequestCondition]


class ClusterTrustBundle(TypedDict, total=False):
    apiVersion: str
    kind: str
    metadata: meta_v1.ObjectMeta
    spec: Required[ClusterTrustBundleSpec]


class ClusterTrustBundleSpec(TypedDict, total=False):
    signerName: str
    trustBundle: Required[str]


class PodCertificateRequest(TypedDict, total=False):
    apiVersion: str
    kind: str
    metadata: meta_v1.ObjectMeta
    spec: Required[PodCertificateRequestSpec]
    status: PodCertificateRequestStatus


class PodCertificateRequestSpec(TypedDict, total=False):
    maxExpirationSeconds: int
    nodeName: Required[str]
    nodeUID: Required[str]
    podName: Required[str]
    podUID: Required[str]
    serviceAccountName: Required[str]
    serviceAccountUID: Required[str]
    signerName: Required[str]
    stubPKCS10Request: Required[str]
    unverifiedUserAnnotations: dict[str, str]


class PodCertificateRequestStatus(TypedDict, total=False):
    beginRefreshAt: str
    certificateChain: str
    conditions: list[meta_v1.Condition]
    notAfter: str
    notBefore: str
