"""PersistentVolume, PersistentVolumeClaim, StorageClass."""
