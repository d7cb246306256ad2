"""OpenAPI documents, v2 and v3, made of the schemas that validation uses.

Clients read them for `kubectl explain`, to merge patches and to learn that the server checks fields itself.
`documents.document` is the way in.
Source: https://kubernetes.io/docs/concepts/overview/kubernetes-api/#openapi-interface-definition
"""
