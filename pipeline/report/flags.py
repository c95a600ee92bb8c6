"""A number with its interval, held against a reference range -> a flag."""

from enum import StrEnum
from typing import Self

from .reference_ranges import ReferenceRange
from .statistics import Estimate


class Level(StrEnum):
    """Certainty and weight of a flag."""

    CRITICAL = "critical"
    SURE = "sure"
    POSSIBLY = "possibly"


class Direction(StrEnum):
    """Side of the reference range on which a value lies."""

    HIGH = "high"
    LOW = "low"


class Flag(StrEnum):
    """Position of a number outside its reference range; the values are the words of tables.

    `NONE` is neither high nor low: within the range, or not to be told.
    """

    level: Level
    direction: Direction

    NONE = ""
    HIGH = "high", Level.SURE, Direction.HIGH
    LOW = "low", Level.SURE, Direction.LOW
    POSSIBLY_HIGH = "possibly high", Level.POSSIBLY, Direction.HIGH
    POSSIBLY_LOW = "possibly low", Level.POSSIBLY, Direction.LOW
    CRITICAL_HIGH = "critical high", Level.CRITICAL, Direction.HIGH
    CRITICAL_LOW = "critical low", Level.CRITICAL, Direction.LOW

    def __new__(
        cls, text: str, level: Level = Level.SURE, direction: Direction = Direction.HIGH
    ) -> Self:
        """A member that is its text."""
        member = str.__new__(cls, text)
        member._value_ = text
        member.level, member.direction = level, direction
        return member


def flag(one: Estimate, reference: ReferenceRange) -> Flag:
    """Compares a number with its range: by its interval where that lies outside, else possibly.

    `HIGH` or `LOW` when the whole 95 % interval is outside the range; `POSSIBLY_HIGH` or
    `POSSIBLY_LOW` when the value is outside and the interval reaches in. `CRITICAL_HIGH` or
    `CRITICAL_LOW` for `HIGH` or `LOW` when the value is at a critical limit or beyond. `NONE`
    within the range, and where the interval covers the whole range: so few cells tell nothing.
    """
    if one.low <= reference.low and one.high >= reference.high:
        return Flag.NONE
    if one.value > reference.high:
        if one.low <= reference.high:
            return Flag.POSSIBLY_HIGH
        limit = reference.critical_high
        return Flag.CRITICAL_HIGH if limit is not None and one.value >= limit else Flag.HIGH
    if one.value < reference.low:
        if one.high >= reference.low:
            return Flag.POSSIBLY_LOW
        limit = reference.critical_low
        return Flag.CRITICAL_LOW if limit is not None and one.value <= limit else Flag.LOW
    return Flag.NONE
