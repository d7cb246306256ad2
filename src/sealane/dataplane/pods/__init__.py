"""A pod's life: namespaces, files, commands, stand-ins, probes, logs."""
