"""Admission webhooks: servers, mostly in pods, that are asked before an object is stored.

    gate            what `api` knows of them: nothing is imported before the first is configured
    configuration   which webhooks there are, and which of them a request concerns (pure)
    review          AdmissionReview: the question and the answer (pure)
    calls           asking, over HTTPS, through the cluster's own network
    dispatch        the order of it all: patches, reinvocation, failure policies

Source: https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/

Deciding about a write is one synchronous step, made from the newest state (see `api`). A webhook's answer takes time,
so a step that needs one it does not have yet raises `Unanswered`; its caller waits for the answer and runs the step
again. The stored object is therefore always the one that the webhooks saw, also when it changed meanwhile.
"""
