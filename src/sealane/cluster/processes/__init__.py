"""The processes of a cluster: a module each, with a function `run`; `plan` says which there are and when they start."""
