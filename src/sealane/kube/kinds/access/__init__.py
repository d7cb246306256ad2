"""Role, ClusterRole, their bindings, CertificateSigningRequest."""
