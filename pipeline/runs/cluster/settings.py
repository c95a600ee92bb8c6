"""Settings of a run on a cluster, and of its workers."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from leukodiff.pipeline.report.report import ModelUsed

from ..crash_log import FIELD_TIMEOUT_S
from ..settings import AnalyzeSettings

AUTO = "auto"
"""Address of the cluster that this machine is part of."""

LOCAL = "local"
"""Address of a cluster of its own on this machine alone."""

SHARE_FROM = 64
"""A scan with so many batches of windows, or blocks for a first look, is shared with idle cores."""


@dataclass(frozen=True)
class ClusterSettings:
    """Settings of a cluster and of how work is shared on it.

    `address`: `auto`, `local`, or `HOST:PORT` of the head node. `threads`: cores of each worker.
    `share_from`: so many pieces of work of one scan, and more, are shared with idle cores.
    `field_timeout_s`: a field that takes so long is given up, or a scan that does not get on.
    """

    address: str = AUTO
    threads: int = 1
    share_from: int = SHARE_FROM
    field_timeout_s: float = FIELD_TIMEOUT_S


@dataclass(frozen=True)
class WorkerConfig:
    """Settings of every worker of a run.

    `out`: where results go, `run_marker`: a file that stands there. `models` and `how_read`: those
    that it must have, of this `version` of leukodiff. `files`: the model files that are not the
    shipped ones, by `detector` or `classifier`, each with its metadata's. `threads`: its cores.
    `share_from`: so many pieces of work of one scan, and more, are shared with others. `limit_s`: a
    field that takes so long hangs, or a scan that does not get on.
    """

    settings: AnalyzeSettings
    out: Path
    run_marker: Path
    models: tuple[ModelUsed, ...]
    how_read: Mapping[str, Mapping[str, float]]
    files: Mapping[str, Mapping[str, bytes]]
    threads: int
    share_from: int
    limit_s: float
    version: str
