"""The changes that a rule makes to a request on its way: a feature each, with its value and its meaning.

The module of the same name in `dataplane/envoy/filters` is the feature in Envoy's configuration.
"""
