"""What a rule does to a request on its way, a feature each: its value, and what it means.

The same name in `dataplane/envoy/filters` is how Envoy does it.
"""
