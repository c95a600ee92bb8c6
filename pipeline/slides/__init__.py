"""A scan of a whole smear, whatever wrote it -> RGB pixels of the regions that are asked for."""

from .fingerprint import scan_fingerprint
from .image_scan import ImageScan
from .open import is_scan_name, open_scan
from .scan import Rgb, Scan

__all__ = ["ImageScan", "Rgb", "Scan", "is_scan_name", "open_scan", "scan_fingerprint"]
