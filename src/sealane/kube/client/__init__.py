"""The client protocol, and its implementation over HTTP with a kubeconfig."""
