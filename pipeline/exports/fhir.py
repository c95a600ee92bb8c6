"""A report as FHIR R4: a Bundle with a DiagnosticReport, its Observations and what they rest on.

Built by hand, since R4 needs few elements of few resources; tests validate it by fhir.resources.
"""

import json
from collections.abc import Iterator
from typing import Any

from leukodiff.datasets.vocabulary import UNIDENTIFIED
from leukodiff.pipeline.report.measurements import CORRECTED, COUNTED_SO, Measurement
from leukodiff.pipeline.report.reference_ranges import NLR, PER_LITRE, PERCENT, ReferenceRange
from leukodiff.pipeline.report.report import ModelUsed, SmearReport
from leukodiff.pipeline.report.sample import OLDEST

from .loinc import AGE, LOCAL, PANEL, UCUM, Code, codes, is_given, key
from .messages import (
    INTERPRETATIONS,
    NO_VALUE,
    counted,
    format_number,
    identity,
    is_date,
    limits,
    meaning,
    method,
    moment,
    notes,
    observations,
    plain,
    statements,
)

Resource = dict[str, Any]

FLAG = "urn:leukodiff:flag"

SLIDE = "urn:leukodiff:slide"

SAMPLE = "urn:leukodiff:sample"

PATIENT = "urn:leukodiff:patient"

_HL7 = "http://terminology.hl7.org/CodeSystem/"

PRELIMINARY = "preliminary"
"""Status of everything: a person has yet to verify it."""


def report_fhir(report: SmearReport) -> str:
    """A Bundle of type `collection` as JSON, UTF-8; the same report gives the same bytes.

    Its parts refer to each other by `urn:uuid`. A measurement without a value has a
    `dataAbsentReason`. The 95 % interval is a component, since R4 has no element for it.
    """
    bundle = {
        "resourceType": "Bundle",
        "id": str(identity(report, "bundle")),
        "type": "collection",
        **_known(timestamp=_issued(report)),
        "entry": [
            {
                "fullUrl": f"urn:uuid:{identity(report, what)}",
                "resource": {
                    "resourceType": resource["resourceType"],
                    "id": str(identity(report, what)),
                    **resource,
                },
            }
            for what, resource in _resources(report)
        ],
    }
    return json.dumps(bundle, ensure_ascii=False, allow_nan=False, indent=1) + "\n"


def _resources(report: SmearReport) -> Iterator[tuple[str, Resource]]:
    """Every part, by its name within the report."""
    yield "report", _diagnostic_report(report)
    if patient := _patient(report):
        yield "patient", patient
    yield "specimen", _specimen(report)
    yield "software", _software(report)
    for model in report.provenance.models:
        yield f"model {model.kind}", _model(model, report)
    for one in observations(report):
        yield key(one), _observation(one, report)
    if report.sample.age_years is not None:
        yield "age", _age(report)


def _diagnostic_report(report: SmearReport) -> Resource:
    observed = [key(one) for one in observations(report)]
    age = ["age"] if report.sample.age_years is not None else []
    return {
        "resourceType": "DiagnosticReport",
        "status": PRELIMINARY,
        "category": [_concept(Code(f"{_HL7}v2-0074", "HM", "Hematology"))],
        "code": _concept(PANEL),
        **_about(report),
        "specimen": [_reference(report, "specimen")],
        "result": [_reference(report, what) for what in (*observed, *age)],
        "conclusion": "; ".join(statements(report)),
    }


def _patient(report: SmearReport) -> Resource | None:
    sample = report.sample
    name = plain(sample.patient)
    if not name and not sample.sex:
        return None
    named = [{"system": PATIENT, "value": name}] if name else None
    return {"resourceType": "Patient", **_known(identifier=named, gender=sample.sex)}


def _specimen(report: SmearReport) -> Resource:
    sample = report.sample
    number, collected = plain(sample.sample_id), plain(sample.collected)
    when = {"collectedDateTime": collected} if is_date(collected) else None
    note = [{"text": f"collected: {collected}"}] if collected and not when else None
    slide = {"identifier": [{"system": SLIDE, "value": plain(report.slide_id)}]}
    return {
        "resourceType": "Specimen",
        **_known(identifier=[{"system": SAMPLE, "value": number}] if number else None),
        "type": _concept(Code(f"{_HL7}v2-0487", "BLD", "Whole blood"), text="blood smear"),
        **_known(subject=_subject(report), collection=when, container=[slide], note=note),
    }


def _software(report: SmearReport) -> Resource:
    return {
        "resourceType": "Device",
        "deviceName": [{"name": "leukodiff", "type": "model-name"}],
        "type": {"text": "software that finds, names and counts white blood cells"},
        "version": [{"value": plain(report.provenance.version)}],
    }


def _model(model: ModelUsed, report: SmearReport) -> Resource:
    return {
        "resourceType": "Device",
        "deviceName": [{"name": plain(model.name), "type": "model-name"}],
        "type": {"text": f"{plain(model.kind)} model"},
        "version": [
            {"value": plain(model.version)},
            {"type": {"text": "SHA-256 of the model file"}, "value": model.sha256},
        ],
        "parent": _reference(report, "software"),
    }


def _observation(one: Measurement, report: SmearReport) -> Resource:
    value = format_number(one.value)
    return {
        "resourceType": "Observation",
        "status": PRELIMINARY,
        "category": [_concept(Code(f"{_HL7}observation-category", "laboratory", "Laboratory"))],
        "code": _concept(*codes(one)),
        **_about(report),
        "specimen": _reference(report, "specimen"),
        **(_found(value, one, report) if value else {"dataAbsentReason": _ABSENT}),
        "method": {"text": method(one, report)},
        **_known(device=None if is_given(one) else _reference(report, "software")),
        **_known(referenceRange=[_range(one.reference)] if one.reference else None),
        **_known(derivedFrom=[_reference(report, what) for what in _sources(one)]),
    }


def _found(value: str, one: Measurement, report: SmearReport) -> Resource:
    """Elements of an observation that has a value."""
    return _known(
        valueQuantity=_quantity(value, one.unit),
        interpretation=_interpretation(one),
        note=[{"text": text} for text in notes(one, report)],
        component=list(_components(one, report)),
    )


def _age(report: SmearReport) -> Resource:
    years = format_number(report.sample.age_years)
    return {
        "resourceType": "Observation",
        "status": PRELIMINARY,
        "code": _concept(AGE),
        **_known(subject=_subject(report)),
        "valueQuantity": _years(years),
    }


def _interpretation(one: Measurement) -> list[Resource] | None:
    """HL7's code, then our own, which is more precise."""
    if not one.flag:
        return None
    code, display = INTERPRETATIONS[one.flag]
    theirs = Code(f"{_HL7}v3-ObservationInterpretation", code, display)
    own = Code(FLAG, one.flag.replace(" ", "-"), one.flag)
    return [_concept(theirs, own, text=meaning(one.flag) or one.flag)]


def _range(reference: ReferenceRange) -> Resource:
    normal = Code(f"{_HL7}referencerange-meaning", "normal", "Normal Range")
    low, high = format_number(reference.low), format_number(reference.high)
    ages = {
        "low": _years(format_number(reference.age_from)),
        **_known(
            high=_years(format_number(reference.age_to)) if reference.age_to <= OLDEST else None
        ),
    }
    of_an_age = reference.age_from > 0 or reference.age_to <= OLDEST
    return {
        "low": _quantity(low, reference.unit),
        "high": _quantity(high, reference.unit),
        "type": _concept(normal),
        **_known(appliesTo=[{"text": reference.sex}] if reference.sex else None),
        **_known(age=ages if of_an_age else None, text=plain(reference.source)),
    }


def _components(one: Measurement, report: SmearReport) -> Iterator[Resource]:
    if ends := limits(one):
        yield _part("interval_95", "95 % interval", valueRange=_span(ends, one.unit))
    if cells := counted(one, report):
        yield _part("cells_of_this_type", "cells of this type", valueInteger=cells[0])
        yield _part("named_white_cells", "named white cells", valueInteger=cells[1])
    if bounds := _bounds(one, report):
        title = "share if none, and if all, of the unidentified cells were of this type"
        yield _part("if_unidentified", title, valueRange=_span(bounds, one.unit))


def _bounds(one: Measurement, report: SmearReport) -> tuple[str | None, str | None] | None:
    found = report.differential
    if (one.unit, one.kind) != (PERCENT, COUNTED_SO) or not found.count(UNIDENTIFIED):
        return None
    bounds = next(
        (row.unidentified_bounds for row in found.rows if row.cell_type == one.analyte), None
    )
    return (format_number(bounds[0]), format_number(bounds[1])) if bounds else None


def _sources(one: Measurement) -> tuple[str, ...]:
    """The observations that a measurement is calculated from."""
    share = f"{one.analyte}_percent"
    if one.kind == CORRECTED:
        return (share,)
    if one.analyte == NLR:
        return ("neutrophil_percent", "lymphocyte_percent")
    if one.unit == PER_LITRE and not is_given(one):
        return (share, "white_cell_count")
    return ()


def _about(report: SmearReport) -> Resource:
    """Patient and times."""
    collected = plain(report.sample.collected)
    return {
        **_known(subject=_subject(report)),
        **_known(effectiveDateTime=collected if is_date(collected) else None),
        **_known(issued=_issued(report)),
    }


def _issued(report: SmearReport) -> str | None:
    when = moment(report.provenance.started)
    return when.isoformat(timespec="seconds") if when else None


def _subject(report: SmearReport) -> Resource | None:
    return _reference(report, "patient") if _patient(report) else None


def _reference(report: SmearReport, what: str) -> Resource:
    return {"reference": f"urn:uuid:{identity(report, what)}"}


def _concept(*known: Code, text: str = "") -> Resource:
    coding = [{"system": c.system, "code": c.code, "display": c.display} for c in known]
    return {"coding": coding, **_known(text=text)}


def _part(code: str, title: str, **value: object) -> Resource:
    return {"code": _concept(Code(LOCAL, code, title)), **value}


def _span(ends: tuple[str | None, str | None], unit: str) -> Resource:
    low, high = ends
    return _known(
        low=_quantity(low, unit) if low else None, high=_quantity(high, unit) if high else None
    )


def _quantity(value: str | None, unit: str) -> Resource:
    return {
        **_known(value=_number(value)),
        "unit": unit,
        "system": "http://unitsofmeasure.org",
        "code": UCUM[unit],
    }


def _years(value: str | None) -> Resource:
    age = {"unit": "years", "system": "http://unitsofmeasure.org", "code": "a"}
    return {**_known(value=_number(value)), **age}


def _number(text: str | None) -> float | int | None:
    if text is None:
        return None
    return float(text) if "." in text else int(text)


def _known(**elements: object) -> Resource:
    """The elements that have content: FHIR allows no empty ones."""
    return {k: v for k, v in elements.items() if v not in (None, "", [])}


_ABSENT = _concept(Code(f"{_HL7}data-absent-reason", "unknown", "Unknown"), text=NO_VALUE)
