"""Service, Endpoints, EndpointSlice, ServiceCIDR, IPAddress."""
