"""Controllers of PersistentVolumes and their claims."""
