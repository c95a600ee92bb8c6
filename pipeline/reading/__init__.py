"""How a scan is read: what of it is usable, where its cells may lie, what they are."""

from .reader import ReadingSettings, ScanFound, Tell, read_scan
from .workers import Workers

__all__ = ["ReadingSettings", "ScanFound", "Tell", "Workers", "read_scan"]
