"""Says why: trace, verify, reach. Evaluates the same models that the data plane writes down."""
