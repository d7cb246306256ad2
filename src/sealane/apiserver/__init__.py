"""An embedded Kubernetes API: store, verbs, watch, admission, access.

The rest of the house knows it only as one implementation of `kube.client.protocol.Client`; a kubeconfig is the other.
"""
