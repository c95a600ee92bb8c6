"""Statistics of a count: intervals, ratios, cells still needed, the classifier's own errors."""

from .correction import Confusion, corrected_shares, obstacle
from .intervals import METHODS, Estimate, intervals, per_hundred, ratio, with_unidentified
from .sample_size import cells_needed, cells_to_settle

__all__ = [
    "METHODS",
    "Confusion",
    "Estimate",
    "cells_needed",
    "cells_to_settle",
    "corrected_shares",
    "intervals",
    "obstacle",
    "per_hundred",
    "ratio",
    "with_unidentified",
]
