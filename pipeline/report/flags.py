"""A number with its interval, held against a reference range -> a flag."""

from .profiles import ReferenceRange
from .statistics import Estimate

HIGH, LOW = "high", "low"
POSSIBLY_HIGH, POSSIBLY_LOW = "possibly high", "possibly low"
CRITICAL_HIGH, CRITICAL_LOW = "critical high", "critical low"

FLAGS = (HIGH, LOW, POSSIBLY_HIGH, POSSIBLY_LOW, CRITICAL_HIGH, CRITICAL_LOW)
"""Every flag that a number can have."""


def flag(one: Estimate, usual: ReferenceRange) -> str:
    """How a number stands to its range: by its interval where that lies outside, else possibly.

    `high` or `low` when the whole 95 % interval is outside the range; `possibly high` or
    `possibly low` when the value is outside and the interval reaches in. `critical high` or
    `critical low` for `high` or `low` when the value is at a critical limit or beyond. Empty within
    the range, and where the interval covers the whole range: so few cells tell nothing.
    """
    if one.low <= usual.low and one.high >= usual.high:
        return ""
    if one.value > usual.high:
        if one.low <= usual.high:
            return POSSIBLY_HIGH
        limit = usual.critical_high
        return CRITICAL_HIGH if limit is not None and one.value >= limit else HIGH
    if one.value < usual.low:
        if one.high >= usual.low:
            return POSSIBLY_LOW
        limit = usual.critical_low
        return CRITICAL_LOW if limit is not None and one.value <= limit else LOW
    return ""
