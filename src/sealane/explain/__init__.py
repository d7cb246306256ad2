"""Says why: trace, verify, reach. Evaluates the same models that the data plane writes down; sends no packet itself.

`world` holds the models of one cluster side by side, `expect` makes one of manifests. `parties` reads FROM and TO;
`trace` walks from one to the other through `naming`, `serving`, the routing model and `legs` (policies and listeners).
`reach` asks for all pairs; `verify` says what to try on a running cluster and judges what came back.
"""
