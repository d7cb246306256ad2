"""CEL, the Common Expression Language, as Kubernetes speaks it: rules of custom kinds and of admission policies.

Expressions are evaluated by cel-expr-python (Google's C++ runtime), which is imported when the first one is compiled.
Kubernetes' additions to the language (quantities, addresses, URLs, …) are here. `environment.compiled` is the way in.
Source: https://kubernetes.io/docs/reference/using-api/cel/
"""
