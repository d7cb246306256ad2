"""Users and their rights: authentication (tokens, certificates) and authorisation (RBAC).

A room of its own inside the API: it reads ServiceAccounts, Secrets and roles from the store. The meaning of a rule is
pure (`rules`, `action`); the index of roles follows commits (`rbac`).

    user            the user of a request                 action   the action that a user asks for
    authentication  credentials → user                    rules    does a rule allow it? (pure)
    tokens, keys    tokens of ServiceAccounts             rbac     roles and bindings, found by user
"""
