"""Laboratories whose fields a leave-one-out test keeps apart from training."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from leukodiff.core.errors import DataError

from .fields import LabeledField
from .registry import DATASETS
from .splits import TEST, apart_from

COPIES_OF: Mapping[str, str] = {
    "txl_pbc": "pbc",
    "kaggle_blood_cells": "bccd",
    "txl_raabin": "raabin",
}
"""Data sets made of another's images: one laboratory with it."""

OWN = "table"
"""The source of fields from somebody's own table, as long as nobody names their laboratory."""

LEFT_OUT = "left out"
"""The part of a laboratory that a model is tested on which has seen nothing of it: all of it."""

HELD_OUT = "held out"
"""The part for a model that has learned from the laboratory's train split: its test split."""

FIELDS_A_SLIDE = 3
"""From so many fields a group in the median, a group is taken for a slide and told apart."""


@dataclass(frozen=True)
class Laboratory:
    """Fields from one place: one stain, one microscope, the same people.

    Its first data set is what it is tested on; the others are copies of the same cells, and only
    ever trained on.
    """

    name: str
    fields: tuple[LabeledField, ...]

    @property
    def sources(self) -> set[str]:
        """Every data set that shows its slides, whether it is among the fields or not."""
        copies = {copy for copy, original in COPIES_OF.items() if original == self.name}
        return {self.name} | copies | {field.source for field in self.fields}

    @property
    def tested(self) -> list[LabeledField]:
        """The fields that it is tested on."""
        return [field for field in self.fields if field.source == self.fields[0].source]

    def fields_of(self, part: str) -> list[LabeledField]:
        """The fields of one part: `left out` is all that it is tested on, `held out` their test."""
        return [f for f in self.tested if part == LEFT_OUT or f.split == TEST]

    @property
    def has_slides(self) -> bool:
        """True if its groups are slides rather than single images or scenes."""
        sizes = Counter(field.group for field in self.tested).values()
        return bool(sizes) and median(sizes) >= FIELDS_A_SLIDE


def cells_of(row: Mapping[str, str]) -> str:
    """The cells of a laboratory that a row of figures is about: `part` and `slide` in words."""
    return f"{row['part']}, slide {row['slide']}" if row["slide"] else row["part"]


def by_laboratory(fields: Iterable[LabeledField]) -> list[Laboratory]:
    """The fields sorted by whose they are, in the order in which their data sets come."""
    found: dict[str, list[LabeledField]] = {}
    for field in fields:
        found.setdefault(COPIES_OF.get(field.source, field.source), []).append(field)
    return [Laboratory(name, tuple(those)) for name, those in found.items()]


def own_laboratory(fields: Iterable[LabeledField], folder: Path) -> list[LabeledField]:
    """Fields of a folder's table as a laboratory of the folder's name, with groups of its own."""
    name = folder.resolve().name
    return [replace(field, source=name, group=f"{name}/{field.group}") for field in fields]


def trained_without(laboratories: Sequence[Laboratory], name: str) -> list[LabeledField]:
    """All fields of the other laboratories, less what shares a group with the one left out.

    Raises:
        DataError: there is no other laboratory.
    """
    left_out = laboratory_of(laboratories, name)
    others = [field for one in laboratories if one is not left_out for field in one.fields]
    if not others:
        raise DataError(f"{name}: no other laboratory to learn from; give one more with --data")
    return apart_from(others, left_out.fields)


def laboratory_of(laboratories: Iterable[Laboratory], name: str) -> Laboratory:
    """The laboratory of that name.

    Raises:
        DataError: there is none.
    """
    known = {one.name: one for one in laboratories}
    if name not in known:
        raise DataError(f"no laboratory {name!r} among the data given: {', '.join(known)}")
    return known[name]


def learned_from(training_data: Iterable[Mapping[str, str]], laboratory: Laboratory) -> set[str]:
    """Those of a laboratory's data sets that a model's metadata names as its training data."""
    return {one.get("name", "") for one in training_data} & laboratory.sources


def require_unseen(
    model: Path, training_data: Iterable[Mapping[str, str]], laboratory: Laboratory
) -> None:
    """Refuse a model that has learned from the laboratory it is to be tested on, or may have.

    Raises:
        DataError: it has, or it has learned from a table that nobody named.
    """
    named = list(training_data)
    if seen := learned_from(named, laboratory):
        raise DataError(
            f"{model}: it was trained on {', '.join(sorted(seen))}, so {laboratory.name} is no "
            "laboratory that it has never seen"
        )
    if laboratory.name not in DATASETS and any(one.get("name") == OWN for one in named):
        raise DataError(f"{model}: trained on a table; whether on {laboratory.name}, it can't tell")
