"""What each plugin of a Corefile means: one module each, `read` from a directive to frozen values.

Those that answer before the names of the cluster are asked for are a `Step`. Source: https://coredns.io/plugins/.
"""
