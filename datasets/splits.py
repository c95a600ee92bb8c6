"""Splits of datasets: a group's is decided by its name alone, so it never moves."""

import hashlib
from collections.abc import Iterable

from .fields import LabeledField

TRAIN = "train"
VAL = "val"
TEST = "test"
SPLITS = (TRAIN, VAL, TEST)

UNKNOWN = "unknown"
"""Prefix of the group of a field whose original is not known: never train on it."""


def position(group: str) -> float:
    """A number in [0, 1) that depends on the name alone: the first 52 bits of its SHA-256."""
    return int(hashlib.sha256(group.encode()).hexdigest()[:13], 16) / 16**13


def split_of(group: str, val: float = 0.1, test: float = 0.2) -> str:
    """The split of a group, about `val` and `test` (fractions) of all groups; the rest is `train`.

    What is alike must share the group: it then shares the split. The choice does not depend on
    which other groups are there, so half a dataset is split as the whole of it is.
    """
    if val < 0 or test < 0 or val + test > 1:
        raise ValueError(f"expected fractions that sum to 1 at most, got val={val}, test={test}")
    place = position(group)
    if place < test:
        return TEST
    return VAL if place < test + val else TRAIN


def apart_from(
    fields: Iterable[LabeledField], held_out: Iterable[LabeledField]
) -> list[LabeledField]:
    """The fields fit to train on beside `held_out`: no group of theirs, and none unknown."""
    groups = {field.group for field in held_out}
    return [
        field
        for field in fields
        if field.group not in groups and not field.group.startswith(UNKNOWN)
    ]
