"""How sure a count is: intervals, ratios, cells still needed, the classifier's own errors."""

from .correction import Confusion, corrected_shares, obstacle
from .precision import cells_needed, cells_to_settle
from .ratios import Estimate, per_hundred, ratio, with_unidentified
from .shares import METHODS, intervals

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
