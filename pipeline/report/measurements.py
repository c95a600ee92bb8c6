"""The numbers of a report, each with its unit, interval, reference range and flag."""

from collections.abc import Mapping
from dataclasses import dataclass

from .differential import COUNTED, Differential, DifferentialRow
from .flags import Flag, flag
from .reference_ranges import NLR, PER_HUNDRED, PER_LITRE, PERCENT, RATIO, Profile, ReferenceRange
from .sample import Sample
from .statistics import Estimate, per_hundred

COUNTED_SO = "counted"
"""Kind of a number that comes from the cells as named."""

CORRECTED = "corrected"
"""Kind of a number with the classifier's own errors allowed for."""

GIVEN = "given"
"""Kind of a number that comes from the analyzer."""

ESTIMATED = "estimated"
"""Kind of a number that comes from the pictures, which know no volume of blood."""

PER_FIELD = "/field"

PER_1000_RED = "/1000 RBC"


@dataclass(frozen=True)
class Measurement:
    """One number of a report, of an `analyte` in its `unit`.

    `low` and `high` are its 95 % interval. All three are `None` where nothing can be said. `kind`
    is its origin, `reference` the range that it is held against, if there is one.
    """

    analyte: str
    unit: str
    kind: str
    value: float | None
    low: float | None = None
    high: float | None = None
    reference: ReferenceRange | None = None
    flag: Flag = Flag.NONE


def measurements(
    found: Differential,
    corrected: Mapping[str, Estimate] | None,
    sample: Sample,
    profile: Profile,
) -> tuple[Measurement, ...]:
    """Everything that follows from a differential.

    Shares, the shares corrected for the classifier's errors, nucleated red cells and the
    neutrophil-to-lymphocyte ratio; with a white cell count of the analyzer, counts in blood.
    """

    def held(analyte: str, unit: str, kind: str, one: Estimate | None) -> Measurement:
        reference = profile.reference(analyte, unit, sample)
        if one is None:
            return Measurement(analyte, unit, kind, None, reference=reference)
        found = flag(one, reference) if reference else Flag.NONE
        return Measurement(analyte, unit, kind, one.value, one.low, one.high, reference, found)

    rows = {row.cell_type: row for row in found.rows}
    shares = [held(name, PERCENT, COUNTED_SO, _estimate(rows[name])) for name in COUNTED]
    ratios = [
        held("erythroblast", PER_HUNDRED, COUNTED_SO, found.erythroblasts_per_100_wbc),
        held(NLR, RATIO, COUNTED_SO, found.neutrophil_lymphocyte_ratio),
    ]
    allowed = [
        Measurement(name, PERCENT, CORRECTED, one.value, one.low, one.high)
        for name, one in (corrected or {}).items()
    ]
    blood: list[Measurement] = []
    if sample.wbc_count is not None:
        whole = Estimate(sample.wbc_count, sample.wbc_count, sample.wbc_count)
        blood.append(held("white_cell", PER_LITRE, GIVEN, whole))
        for name in COUNTED:
            share = _estimate(rows[name])
            each = share and share.times(sample.wbc_count / 100)
            blood.append(held(name, PER_LITRE, COUNTED_SO, each))
    return (*shares, *ratios, *allowed, *blood)


def estimates(
    n_wbc: int | None, n_rbc: int | None, n_platelet: int | None, n_fields: int
) -> tuple[Measurement, ...]:
    """Estimates of concentrations by eye's rule from the fields: a smear knows no volume of blood.

    White cells and platelets a field, and white cells and platelets to 1000 red cells. `None` and
    no fields: they were not counted.
    """
    found: list[Measurement] = []

    for analyte, count in (("white_cell", n_wbc), ("platelet", n_platelet)):
        if count is not None and n_fields:
            found.append(Measurement(analyte, PER_FIELD, ESTIMATED, count / n_fields))
        if count is not None and n_rbc and (each := per_hundred(count, n_rbc)):
            one = each.times(10)
            found.append(
                Measurement(analyte, PER_1000_RED, ESTIMATED, one.value, one.low, one.high)
            )
    return tuple(found)


def _estimate(row: DifferentialRow) -> Estimate | None:
    if row.percent is None or row.percent_low is None or row.percent_high is None:
        return None
    return Estimate(row.percent, row.percent_low, row.percent_high)
