"""How fields and scans are read: what is usable, where their cells may lie, what they are."""

from .enough import Enough
from .fields import FieldReader
from .reader import ReadingSettings, ScanFound, Tell, read_scan
from .workers import Workers

__all__ = ["Enough", "FieldReader", "ReadingSettings", "ScanFound", "Tell", "Workers", "read_scan"]
