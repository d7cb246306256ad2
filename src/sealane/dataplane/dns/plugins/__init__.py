"""The meaning of each plugin of a Corefile: one module each, `read` from a directive to frozen values.

A plugin that answers before the names of the cluster are asked for is a `Step`. Source: https://coredns.io/plugins/.
"""
