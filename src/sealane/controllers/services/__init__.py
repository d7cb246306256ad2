"""Controllers of Services: EndpointSlices, addresses of load balancers, Events."""
