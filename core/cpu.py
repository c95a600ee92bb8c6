"""Processor cores of this machine."""

import os


def cores() -> int:
    """Number of cores this process may use: fewer than there are, where it is held to some."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
