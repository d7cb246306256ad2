"""The routing model: the behaviour of a proxy, whichever resource asked for it.

Ingress, Gateway API and mesh resources compile to it; Envoy configuration is made from it; `evaluate` answers from it.
`l4` has the listeners of proxies, `matches` the requests that a rule is for, `http` the rules; the changes that a rule
makes to a request are values of `filters`.
"""
