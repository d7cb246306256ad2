"""The network policy API: ClusterNetworkPolicy, AdminNetworkPolicy, BaselineAdminNetworkPolicy."""
