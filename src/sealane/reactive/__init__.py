"""Collections and derived collections: the one mechanism by which work follows change.

A derived collection is a pure function of one input value that may fetch others. This room remembers what each output
fetched, recomputes only what a change can touch, and stops where the new value equals the old. The models are Istio's
krt and spreadsheet engines. No Kubernetes semantics enter this room beyond labels, selectors and the client protocol.
"""
