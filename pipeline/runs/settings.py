"""Settings of a run."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from leukodiff.classifier.priors import PRIORS, ROUTINE
from leukodiff.core.errors import InputError
from leukodiff.pipeline.analysis import ReadingSettings
from leukodiff.pipeline.exports.bundle import ReportSettings
from leukodiff.pipeline.report.report import ModelUsed

from .crash_log import FIELD_TIMEOUT_S


@dataclass(frozen=True)
class AnalyzeSettings:
    """Settings of an analysis.

    `um_per_px`: scale of every field, told from the cells when `None`. `per_image`: every image
    is a slide of its own. `engine`: `openvino` or `onnxruntime`. `threads`: how many fields at a
    time, one a core when `None`. `detector`, `classifier`: model files, the shipped ones when
    `None`. `overlays`: draw them. `crops_per_class`: cells on show in the report. `overwrite`:
    replace slides that were made from other files, by other models or with other settings.

    `retry_failed`: try those slides again that failed before, in whole or in part.

    `report`: what the report says and how.

    `target_cells`: stop a slide at so many white cells. `all_areas`: read the fields and areas that
    are empty, thick or out of focus too. Of scans alone: `full_pass`: detect everywhere, without a
    first look. `prior`: how likely each cell type is beforehand, one of
    `leukodiff.classifier.priors.PRIORS`.
    """

    um_per_px: float | None = None
    per_image: bool = False
    engine: str = "openvino"
    threads: int | None = None
    detector: Path | None = None
    classifier: Path | None = None
    overlays: bool = True
    crops_per_class: int = 24
    overwrite: bool = False
    retry_failed: bool = False
    target_cells: int | None = None
    full_pass: bool = False
    all_areas: bool = False
    prior: str = ROUTINE
    report: ReportSettings = field(default_factory=ReportSettings)

    def __post_init__(self) -> None:
        if self.um_per_px is not None and not 0.001 <= self.um_per_px < 100:
            raise InputError(f"um/px must be from 0.001 to below 100, not {self.um_per_px}")
        if self.prior not in PRIORS:
            raise InputError(f"no prior {self.prior!r}: expected one of {', '.join(PRIORS)}")
        if self.threads is not None and self.threads < 1:
            raise InputError(f"at least one thread is needed, not {self.threads}")
        if self.target_cells is not None and self.target_cells < 1:
            raise InputError(f"at least one cell must be wanted, not {self.target_cells}")

    @property
    def reading(self) -> ReadingSettings:
        """The part of them that fields and scans are read by."""
        return ReadingSettings(self.um_per_px, self.target_cells, self.full_pass, self.all_areas)

    @property
    def result_affecting(self) -> dict[str, object]:
        """The settings that change what is found; the models are named beside them."""
        return {"engine": self.engine, "prior": self.prior, **asdict(self.reading)}


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
