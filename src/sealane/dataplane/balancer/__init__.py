"""The load balancer that stands before the cluster, and what nodes tell it.

`health` answers on every node's healthCheckNodePort as kube-proxy does; `routes` makes *outside* send a load balancer's
connections to the nodes that have endpoints, where it matters. Both follow the Service models. `proxy` is the
load balancer that takes connections itself.
"""
