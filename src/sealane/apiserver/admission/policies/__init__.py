"""ValidatingAdmissionPolicy: rules in CEL that requests have to keep, and the bindings that say where they hold.

Source: https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/ and
k8s.io/apiserver/pkg/admission/plugin/policy
"""
