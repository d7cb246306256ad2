"""What ingress-nginx makes of its annotations: a module a feature, in the words of the routing model.

    table      every documented annotation: what it asks for, and what becomes of it here
    reading    values of annotations, read as ingress-nginx reads them
    settings   all that the annotations of one Ingress say
    locations  the order and the form of a host's paths
    rules      the rules of a host, from the Ingresses that share it

Source: https://kubernetes.github.io/ingress-nginx/user-guide/nginx-configuration/annotations/ (v1.15).
"""
