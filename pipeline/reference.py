"""A differential and the reference ranges of healthy adults -> flags, and what they go with."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from leukodiff.datasets.vocabulary import BY_NAME

from .differential import Differential, DifferentialRow

FEW_CELLS = 100
"""Fewer white cells than this make a differential that is flagged as small.

A manual differential counts 100 to 200 cells (CLSI H20-A2, 2007)."""

_ADULT = Path(__file__).with_name("reference_adult.toml")


@dataclass(frozen=True)
class ReferenceRange:
    """What is usual for one cell type: `low` to `high` percent of the white cells, 0-100.

    `when_high` and `when_low` say what a share outside is seen with. The sources are citations.
    """

    cell_type: str
    low: float
    high: float
    source: str
    when_high: str = ""
    when_low: str = ""
    hint_source: str = ""


@dataclass(frozen=True)
class Flag:
    """A cell type outside its range: `flag` is `high`, `low`, `possibly high` or `possibly low`."""

    cell_type: str
    flag: str
    hint: str = ""

    @property
    def text(self) -> str:
        """The flag in words: `neutrophil possibly high`."""
        return f"{BY_NAME[self.cell_type].title} {self.flag}"


@cache
def adult_ranges() -> Mapping[str, ReferenceRange]:
    """The shipped ranges of adults, by cell type."""
    table = tomllib.loads(_ADULT.read_text(encoding="utf-8"))
    sources = table.pop("sources")
    table.pop("name")
    return {name: _range(name, row, sources) for name, row in table.items()}


def _range(name: str, row: Mapping[str, Any], sources: Mapping[str, str]) -> ReferenceRange:
    cited = {key: sources[row[key]] for key in ("source", "hint_source")}
    return ReferenceRange(name, **{**row, **cited})


def flag(row: DifferentialRow, usual: ReferenceRange) -> str:
    """How a share stands to its range: by its interval where that lies outside, else possibly.

    `high` or `low` when the whole 95 % interval is outside the range; `possibly high` or
    `possibly low` when the share is outside and the interval reaches in. Empty within the range,
    and where the interval covers the whole range: so few cells tell nothing.
    """
    if row.percent is None or row.percent_low is None or row.percent_high is None:
        return ""
    if row.percent_low <= usual.low and row.percent_high >= usual.high:
        return ""
    if row.percent > usual.high:
        return "high" if row.percent_low > usual.high else "possibly high"
    if row.percent < usual.low:
        return "low" if row.percent_high < usual.low else "possibly low"
    return ""


def flags(found: Differential, ranges: Mapping[str, ReferenceRange]) -> tuple[Flag, ...]:
    """The flags of a differential, in the order of its rows."""
    flagged = [
        (row.cell_type, flag(row, ranges[row.cell_type]))
        for row in found.rows
        if row.cell_type in ranges
    ]
    return tuple(Flag(name, text, _hint(ranges[name], text)) for name, text in flagged if text)


def notes(found: Differential) -> tuple[str, ...]:
    """What else a reader must know of a differential before using it, one phrase each."""
    remarks = []
    if found.n < FEW_CELLS:
        remarks.append(f"few cells (n = {found.n}, fewer than {FEW_CELLS})")
    if nucleated := found.count("erythroblast"):
        remarks.append(f"erythroblasts present ({nucleated})")
    if found.n_unidentified:
        remarks.append(f"{found.n_unidentified} unidentified")
    return tuple(remarks)


def _hint(usual: ReferenceRange, text: str) -> str:
    words = usual.when_high if "high" in text else usual.when_low
    return f"{words[:1].upper()}{words[1:]} ({usual.hint_source})." if words else ""
