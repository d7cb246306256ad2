"""Who asks, and what they may: authentication (tokens, certificates) and authorisation (RBAC).

A room of its own inside the API: it reads ServiceAccounts, Secrets and roles from the store. What a rule means is pure
(`rules`, `action`); what is remembered follows commits (`rbac`).

    user            who asks                              action   what they want to do
    authentication  credentials → user                    rules    does a rule allow it? (pure)
    tokens, keys    tokens of ServiceAccounts             rbac     roles and bindings, found by user
"""
