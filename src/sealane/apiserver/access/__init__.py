"""Who asks, and what they may: authentication (tokens, certificates) and authorisation (RBAC).

A room of its own inside the API: it reads ServiceAccounts, Secrets and roles from the store and writes none of them.
What it decides is pure (`rules`, `claims`); what it remembers follows commits.
"""
