"""The capacity of this machine, which every node reports as its own: nodes share it."""

from __future__ import annotations

import os
import shutil
from functools import lru_cache


@lru_cache(maxsize=1)
def capacity() -> dict[str, str]:
    """cpu, memory and ephemeral-storage as quantities."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 1024
    return {
        "cpu": str(os.cpu_count() or 1),
        "memory": f"{memory}Ki",
        "ephemeral-storage": f"{shutil.disk_usage('/').total // 1024}Ki",
    }
