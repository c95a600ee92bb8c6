"""How fields and scans are read: what is usable, where their cells may lie, what they are."""

from .field import FieldReader
from .scan import ProgressCallback, ReadingSettings, ScanFound, read_scan
from .target_cells import TargetCells
from .thread_pool import Workers

__all__ = [
    "FieldReader",
    "ProgressCallback",
    "ReadingSettings",
    "ScanFound",
    "TargetCells",
    "Workers",
    "read_scan",
]
