"""Which cluster, and how work is dealt out on it."""

from dataclasses import dataclass

from ..crash_log import FIELD_TIMEOUT_S

AUTO, LOCAL = "auto", "local"
"""Addresses: the cluster that this machine is part of, and one of its own on this machine alone."""

SHARE_FROM = 64
"""A scan with so many batches of windows, or blocks for a first look, is shared with idle cores."""


@dataclass(frozen=True)
class ClusterSettings:
    """Which cluster, and how work is dealt out.

    `address`: `auto`, `local`, or `HOST:PORT` of the head node. `threads`: cores of each worker.
    `share_from`: so many pieces of work of one scan, and more, are shared with idle cores.
    `field_timeout_s`: a field that takes so long is given up, or a scan that does not get on.
    """

    address: str = AUTO
    threads: int = 1
    share_from: int = SHARE_FROM
    field_timeout_s: float = FIELD_TIMEOUT_S
