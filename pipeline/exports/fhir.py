"""A report as FHIR R4: a Bundle with a DiagnosticReport, its Observations and what they rest on.

Built by hand, since R4 needs few elements of few resources; tests validate it by fhir.resources.
"""

import json
from collections.abc import Iterator
from typing import Any

from leukodiff.datasets.vocabulary import UNIDENTIFIED
from leukodiff.pipeline.report.measurements import CORRECTED, COUNTED_SO, GIVEN, Measurement
from leukodiff.pipeline.report.reference_ranges import NLR, PER_LITRE, PERCENT, ReferenceRange
from leukodiff.pipeline.report.report import SmearReport
from leukodiff.pipeline.report.sample import OLDEST

from .formatting import format_number
from .messages import (
    AGE,
    INTERPRETATIONS,
    LOCAL,
    NO_VALUE,
    PANEL,
    UCUM,
    Code,
    codes,
    counted,
    identity,
    is_date,
    key,
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

_HL7 = "http://terminology.hl7.org/CodeSystem/"

PRELIMINARY = "preliminary"
"""Status of everything: a person has yet to verify it."""


def report_fhir(report: SmearReport) -> str:
    """A Bundle of type `collection` as JSON, UTF-8; the same report gives the same bytes.

    Its parts refer to each other by `urn:uuid`. A measurement without a value has a
    `dataAbsentReason`. The 95 % interval is a component, since R4 has no element for it.
    """
    entries = []
    for what, resource in _resources(report):
        name = str(identity(report, what))
        named = {"resourceType": resource["resourceType"], "id": name, **resource}
        entries.append({"fullUrl": f"urn:uuid:{name}", "resource": named})
    bundle = {
        "resourceType": "Bundle",
        "id": str(identity(report, "bundle")),
        "type": "collection",
        "timestamp": _issued(report),
        "entry": entries,
    }
    return json.dumps(_known(bundle), ensure_ascii=False, allow_nan=False, indent=1) + "\n"


def _known(element: Any) -> Any:
    """An element without its parts that have no content: FHIR allows no empty ones."""
    if isinstance(element, dict):
        known = ((name, _known(part)) for name, part in element.items())
        return {name: part for name, part in known if part not in (None, "", [], {})}
    return [_known(part) for part in element] if isinstance(element, list) else element


def _resources(report: SmearReport) -> Iterator[tuple[str, Resource]]:
    """Every part, by its name within the report."""
    yield "report", _diagnostic_report(report)
    if patient := _patient(report):
        yield "patient", patient
    yield "specimen", _specimen(report)
    title = "software that finds, names and counts white blood cells"
    version = {"value": plain(report.provenance.version)}
    yield "software", _device(title, "leukodiff", version)
    for model in report.provenance.models:
        version = {"value": plain(model.version)}
        checksum = {"type": {"text": "SHA-256 of the model file"}, "value": model.sha256}
        device = _device(f"{plain(model.kind)} model", plain(model.name), version, checksum)
        yield f"model {model.kind}", {**device, "parent": _reference(report, "software")}
    for one in observations(report):
        yield key(one), _observation(one, report)
    if (years := report.sample.age_years) is not None:
        age = {"code": _concept(AGE), "subject": _subject(report), "valueQuantity": _years(years)}
        yield "age", {"resourceType": "Observation", "status": PRELIMINARY, **age}


def _diagnostic_report(report: SmearReport) -> Resource:
    age = ["age"] if report.sample.age_years is not None else []
    return {
        "resourceType": "DiagnosticReport",
        "status": PRELIMINARY,
        "category": [_concept(Code(f"{_HL7}v2-0074", "HM", "Hematology"))],
        "code": _concept(PANEL),
        **_about(report),
        "specimen": [_reference(report, "specimen")],
        "result": [_reference(report, what) for what in (*map(key, observations(report)), *age)],
        "conclusion": "; ".join(statements(report)),
    }


def _patient(report: SmearReport) -> Resource | None:
    sample = report.sample
    name = plain(sample.patient)
    if not name and not sample.sex:
        return None
    named = [{"system": "urn:leukodiff:patient", "value": name}] if name else None
    return {"resourceType": "Patient", "identifier": named, "gender": sample.sex}


def _specimen(report: SmearReport) -> Resource:
    number, collected = plain(report.sample.sample_id), plain(report.sample.collected)
    dated = is_date(collected)
    return {
        "resourceType": "Specimen",
        "identifier": [{"system": "urn:leukodiff:sample", "value": number}] if number else None,
        "type": _concept(Code(f"{_HL7}v2-0487", "BLD", "Whole blood"), text="blood smear"),
        "subject": _subject(report),
        "collection": {"collectedDateTime": collected} if dated else None,
        "container": [
            {"identifier": [{"system": "urn:leukodiff:slide", "value": plain(report.slide_id)}]}
        ],
        "note": [{"text": f"collected: {collected}"}] if collected and not dated else None,
    }


def _device(what: str, name: str, *versions: Resource) -> Resource:
    return {
        "resourceType": "Device",
        "deviceName": [{"name": name, "type": "model-name"}],
        "type": {"text": what},
        "version": list(versions),
    }


def _observation(one: Measurement, report: SmearReport) -> Resource:
    value = format_number(one.value)
    found = {
        "valueQuantity": _quantity(value, one.unit),
        "interpretation": _interpretation(one),
        "note": [{"text": text} for text in notes(one, report)],
        "component": list(_components(one, report)),
    }
    return {
        "resourceType": "Observation",
        "status": PRELIMINARY,
        "category": [_concept(Code(f"{_HL7}observation-category", "laboratory", "Laboratory"))],
        "code": _concept(*codes(one)),
        **_about(report),
        "specimen": _reference(report, "specimen"),
        **(found if value else {"dataAbsentReason": _ABSENT}),
        "method": {"text": method(one, report)},
        "device": None if one.kind == GIVEN else _reference(report, "software"),
        "referenceRange": [_range(one.reference)] if one.reference else None,
        "derivedFrom": [_reference(report, what) for what in _sources(one)],
    }


def _interpretation(one: Measurement) -> list[Resource] | None:
    """HL7's code, then our own, which is more precise."""
    if not one.flag:
        return None
    code, display = INTERPRETATIONS[one.flag]
    theirs = Code(f"{_HL7}v3-ObservationInterpretation", code, display)
    own = Code("urn:leukodiff:flag", one.flag.replace(" ", "-"), one.flag)
    return [_concept(theirs, own, text=meaning(one.flag) or one.flag)]


def _range(reference: ReferenceRange) -> Resource:
    normal = Code(f"{_HL7}referencerange-meaning", "normal", "Normal Range")
    open_ended = reference.age_to > OLDEST
    ages = {
        "low": _years(reference.age_from),
        "high": None if open_ended else _years(reference.age_to),
    }
    return {
        "low": _quantity(format_number(reference.low), reference.unit),
        "high": _quantity(format_number(reference.high), reference.unit),
        "type": _concept(normal),
        "appliesTo": [{"text": reference.sex}] if reference.sex else None,
        "age": None if open_ended and reference.age_from <= 0 else ages,
        "text": plain(reference.source),
    }


def _components(one: Measurement, report: SmearReport) -> Iterator[Resource]:
    if ends := limits(one):
        yield _part("interval_95", "95 % interval", valueRange=_span(ends, one.unit))
    if cells := counted(one, report):
        yield _part("cells_of_this_type", "cells of this type", valueInteger=cells[0])
        yield _part("named_white_cells", "named white cells", valueInteger=cells[1])
    found = report.differential
    if (one.unit, one.kind) == (PERCENT, COUNTED_SO) and found.count(UNIDENTIFIED):
        rows = {row.cell_type: row.unidentified_bounds for row in found.rows}
        if bounds := rows.get(one.analyte):
            title = "share if none, and if all, of the unidentified cells were of this type"
            ends = format_number(bounds[0]), format_number(bounds[1])
            yield _part("if_unidentified", title, valueRange=_span(ends, one.unit))


def _sources(one: Measurement) -> tuple[str, ...]:
    """The observations that a measurement is calculated from."""
    share = f"{one.analyte}_percent"
    if one.kind == CORRECTED:
        return (share,)
    if one.analyte == NLR:
        return ("neutrophil_percent", "lymphocyte_percent")
    if one.unit == PER_LITRE and one.kind != GIVEN:
        return (share, "white_cell_count")
    return ()


def _about(report: SmearReport) -> Resource:
    """Patient and times."""
    collected = plain(report.sample.collected)
    return {
        "subject": _subject(report),
        "effectiveDateTime": collected if is_date(collected) else None,
        "issued": _issued(report),
    }


def _issued(report: SmearReport) -> str | None:
    when = moment(report.provenance.started)
    return when.isoformat(timespec="seconds") if when else None


def _subject(report: SmearReport) -> Resource | None:
    return _reference(report, "patient") if _patient(report) else None


def _reference(report: SmearReport, what: str) -> Resource:
    return {"reference": f"urn:uuid:{identity(report, what)}"}


def _concept(*known: Code, text: str = "") -> Resource:
    return {"coding": [vars(one) for one in known], "text": text}


def _part(code: str, title: str, **value: object) -> Resource:
    return {"code": _concept(Code(LOCAL, code, title)), **value}


def _span(ends: tuple[str | None, str | None], unit: str) -> Resource:
    return {"low": _quantity(ends[0], unit), "high": _quantity(ends[1], unit)}


def _quantity(value: str | None, unit: str, code: str = "") -> Resource | None:
    if value is None:
        return None
    number = float(value) if "." in value else int(value)
    system = "http://unitsofmeasure.org"
    return {"value": number, "unit": unit, "system": system, "code": code or UCUM[unit]}


def _years(value: float) -> Resource | None:
    return _quantity(format_number(value), "years", code="a")


_ABSENT = _concept(Code(f"{_HL7}data-absent-reason", "unknown", "Unknown"), text=NO_VALUE)
