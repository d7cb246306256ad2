"""Envoy's configuration for each feature of `network/routes/filters`, under the same name."""
