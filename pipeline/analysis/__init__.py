"""How fields and scans are read: what is usable, where their cells may lie, what they are."""

from .field import FieldReader
from .scan import ReadingSettings, ScanFound, Tell, read_scan
from .target_cells import Enough
from .thread_pool import Workers

__all__ = ["Enough", "FieldReader", "ReadingSettings", "ScanFound", "Tell", "Workers", "read_scan"]
