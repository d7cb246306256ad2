"""Structural schemas: the rules of a CustomResourceDefinition for its objects, and their consequences. No I/O.

`node.Node` reads one openAPIV3Schema once; `prune`, `defaults` and `validate` walk objects along it; `definition` says
whether a CustomResourceDefinition can be taken. Causes are triples of
field, reason and message, in the words of kube-apiserver.
Source: https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/
"""
