"""Files and scans of smears, whatever wrote them -> RGB pixels of the regions asked for."""

from .open import is_scan_name, open_scan
from .scan import ImageScan, Rgb, Scan

__all__ = ["ImageScan", "Rgb", "Scan", "is_scan_name", "open_scan"]
