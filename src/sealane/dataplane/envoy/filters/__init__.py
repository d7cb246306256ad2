"""How Envoy does what `network/routes/filters` says, a feature each, under the same name."""
