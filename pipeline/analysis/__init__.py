"""Pixels of fields and scans -> cells: usable areas, candidates, detection, classification."""

from .scan import ProgressCallback, ReadingSettings, ScanFound, read_scan
from .slide import FieldAnalysis, FieldPixels, ScanPixels, SlideAnalysis
from .thread_pool import Workers

__all__ = [
    "FieldAnalysis",
    "FieldPixels",
    "ProgressCallback",
    "ReadingSettings",
    "ScanFound",
    "ScanPixels",
    "SlideAnalysis",
    "Workers",
    "read_scan",
]
