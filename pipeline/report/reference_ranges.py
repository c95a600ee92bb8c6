"""Reference ranges from a TOML file that a laboratory can edit, and the one for a sample.

Checked by hand: msgspec would save a few lines and lose the sentences that name the range.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from leukodiff.core.errors import InputError
from leukodiff.core.files import sha256_of

from .differential import COUNTED
from .sample import OLDEST, SEXES, Sample

ADULT = Path(__file__).with_name("adult.toml")

PERCENT = "%"
"""Unit of a share of the white cells."""

PER_LITRE = "10^9/L"
"""Unit of a count in blood."""

RATIO = "1"
"""Unit of a ratio of counts."""

PER_HUNDRED = "/100 WBC"
"""Unit of a count for every 100 white cells."""

NLR = "neutrophil_lymphocyte_ratio"

UNITS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(COUNTED, (PERCENT, PER_LITRE)),
    "erythroblast": (PER_HUNDRED, PER_LITRE),
    "white_cell": (PER_LITRE,),
    NLR: (RATIO,),
}
"""Analytes that a profile may have ranges of, each with its units."""

_NUMBERS = ("low", "high", "age_from", "age_to", "critical_low", "critical_high")
_KEYS = {"analyte", "unit", "sex", "source", "critical_source", *_NUMBERS}
_TOP = {"name", "title", "sources", "range"}


@dataclass(frozen=True)
class ReferenceRange:
    """Reference range of one analyte: `low` to `high` in its unit.

    It holds for `sex` (empty: both) and from `age_from` to below `age_to` years. A value at or
    beyond `critical_low` or `critical_high` must be reported at once. The sources are citations.
    """

    analyte: str
    unit: str
    low: float
    high: float
    source: str
    sex: str = ""
    age_from: float = 0.0
    age_to: float = OLDEST + 1
    critical_low: float | None = None
    critical_high: float | None = None
    critical_source: str = ""

    def holds_for(self, sample: Sample) -> bool:
        """True for a sample that it is for; one of a sex or an age needs to know the sample's."""
        whole_life = self.age_from <= 0 and self.age_to > OLDEST
        age = sample.age_years
        of_age = whole_life or (age is not None and self.age_from <= age < self.age_to)
        return of_age and self.sex in ("", sample.sex)


@dataclass(frozen=True)
class Profile:
    """A laboratory's ranges, under its own `name` and `title`; `sha256` is its file's."""

    name: str
    title: str
    ranges: tuple[ReferenceRange, ...]
    sha256: str = ""

    def reference(self, analyte: str, unit: str, sample: Sample) -> ReferenceRange | None:
        """The range for a sample, `None` without one."""
        chosen = (r for r in self.ranges if (r.analyte, r.unit) == (analyte, unit))
        return next((r for r in chosen if r.holds_for(sample)), None)


@cache
def adult() -> Profile:
    """The shipped profile of adults."""
    return read_profile(ADULT)


def read_profile(path: Path) -> Profile:
    """A profile from its TOML file.

    Raises:
        InputError: it can't be read, a key is missing, unknown or impossible, limits are inverted,
            or two ranges hold for one sample. The range is named.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: not a reference profile in TOML ({error})") from error
    if unknown := sorted(set(table) - _TOP):
        raise InputError(f"{path}: unknown key {unknown[0]!r}; known: {', '.join(sorted(_TOP))}")
    name, sources, rows = table.get("name"), table.get("sources", {}), table.get("range")
    if not isinstance(name, str) or not name:
        raise InputError(f'{path}: needs a name, such as name = "our laboratory"')
    if not isinstance(rows, list) or not rows or not isinstance(sources, dict):
        raise InputError(f"{path}: needs at least one [[range]], and [sources] as a table")
    ranges = tuple(
        _range(row, sources, f"{path}, range {number}") for number, row in enumerate(rows, start=1)
    )
    _require_apart(ranges, path)
    return Profile(name, str(table.get("title", name)), ranges, sha256_of(path))


def _range(row: Any, sources: Mapping[str, Any], where: str) -> ReferenceRange:
    if not isinstance(row, dict):
        raise InputError(f"{where}: expected a table of keys")
    where = f"{where} ({row.get('analyte', 'no analyte')})"
    if unknown := sorted(set(row) - _KEYS):
        raise InputError(f"{where}: unknown key {unknown[0]!r}; known: {', '.join(sorted(_KEYS))}")
    if missing := [key for key in ("analyte", "unit", "low", "high") if key not in row]:
        raise InputError(f"{where}: {missing[0]} is missing")
    analyte, unit = row["analyte"], row["unit"]
    if not isinstance(analyte, str) or analyte not in UNITS:
        raise InputError(f"{where}: unknown analyte; known: {', '.join(UNITS)}")
    if unit not in UNITS[analyte]:
        raise InputError(f"{where}: unit must be {' or '.join(UNITS[analyte])}, not {unit!r}")
    for key in _NUMBERS:
        if key in row and not _is_limit(row[key]):
            raise InputError(f"{where}: {key} must be a number from 0, not {row[key]!r}")
    if row.get("sex", "") not in ("", *SEXES):
        raise InputError(f"{where}: sex must be {' or '.join(SEXES)}, not {row['sex']!r}")
    found = ReferenceRange(
        analyte,
        unit,
        float(row["low"]),
        float(row["high"]),
        source=_cited(row.get("source", ""), sources, where),
        sex=row.get("sex", ""),
        critical_source=_cited(row.get("critical_source", ""), sources, where),
        **{key: float(row[key]) for key in _NUMBERS[2:] if key in row},
    )
    _require_order(found, where)
    return found


def _is_limit(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e6


def _cited(key: object, sources: Mapping[str, Any], where: str) -> str:
    """A source in full: by its key in [sources], or as it stands."""
    found = sources.get(key, key) if isinstance(key, str) else None
    if not isinstance(found, str):
        raise InputError(f"{where}: a source must be text, or a key of [sources]")
    return found


def _require_order(one: ReferenceRange, where: str) -> None:
    if not one.low < one.high:
        raise InputError(f"{where}: low {one.low:g} is not below high {one.high:g}")
    if one.unit == PERCENT and one.high > 100:
        raise InputError(f"{where}: high {one.high:g} is above 100 %")
    if not one.age_from < one.age_to:
        raise InputError(f"{where}: age_from {one.age_from:g} is not below age_to {one.age_to:g}")
    if one.critical_low is not None and one.critical_low > one.low:
        raise InputError(f"{where}: critical_low {one.critical_low:g} is above low {one.low:g}")
    if one.critical_high is not None and one.critical_high < one.high:
        raise InputError(f"{where}: critical_high {one.critical_high:g} is below high {one.high:g}")


def _require_apart(ranges: tuple[ReferenceRange, ...], path: Path) -> None:
    for i, one in enumerate(ranges):
        for other in ranges[:i]:
            same = (one.analyte, one.unit) == (other.analyte, other.unit)
            sexes = not one.sex or not other.sex or one.sex == other.sex
            ages = one.age_from < other.age_to and other.age_from < one.age_to
            if same and sexes and ages:
                raise InputError(f"{path}: two ranges of {one.analyte}, {one.unit} hold at one age")
