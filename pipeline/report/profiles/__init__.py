"""Reference ranges as profiles: TOML files that a laboratory can edit."""

from .profile import (
    ADULT,
    NLR,
    PER_HUNDRED,
    PER_LITRE,
    PERCENT,
    RATIO,
    Profile,
    ReferenceRange,
    adult,
    read_profile,
)

__all__ = [
    "ADULT",
    "NLR",
    "PERCENT",
    "PER_HUNDRED",
    "PER_LITRE",
    "RATIO",
    "Profile",
    "ReferenceRange",
    "adult",
    "read_profile",
]
