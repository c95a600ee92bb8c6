"""The FHIR export is R4, says what the report says, and refers only to what is there."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from leukodiff.pipeline.exports.fhir import report_fhir
from leukodiff.pipeline.exports.messages import LOCAL, LOINC
from leukodiff.pipeline.report.cells import Cell
from leukodiff.pipeline.report.reference_ranges import Profile, ReferenceRange
from leukodiff.pipeline.report.report import CountingOptions, SmearReport
from leukodiff.pipeline.report.sample import Sample
from leukodiff.pipeline.report.statistics import Confusion

Resource = dict[str, Any]
MakeReport = Callable[..., SmearReport]

RESOURCE = "id:id meta implicitRules language text contained extension modifierExtension"
R4 = {
    "Bundle": "id:id meta implicitRules language identifier type:code timestamp:instant total link "
    "entry:BundleEntry signature",
    "BundleEntry": "link fullUrl:uri resource:Resource search request response",
    "DiagnosticReport": f"{RESOURCE} identifier:Identifier basedOn:Reference status:code "
    "category:CodeableConcept code:CodeableConcept subject:Reference encounter:Reference "
    "effectiveDateTime:dateTime effectivePeriod issued:instant performer:Reference "
    "resultsInterpreter:Reference specimen:Reference result:Reference imagingStudy:Reference media "
    "conclusion:string conclusionCode:CodeableConcept presentedForm",
    "Patient": f"{RESOURCE} identifier:Identifier active name telecom gender:code birthDate "
    "deceasedBoolean deceasedDateTime address maritalStatus multipleBirthBoolean "
    "multipleBirthInteger photo contact communication generalPractitioner managingOrganization "
    "link",
    "Specimen": f"{RESOURCE} identifier:Identifier accessionIdentifier:Identifier status:code "
    "type:CodeableConcept subject:Reference receivedTime:dateTime parent:Reference "
    "request:Reference collection:Collection processing container:Container "
    "condition:CodeableConcept note:Annotation",
    "Collection": "collector collectedDateTime:dateTime collectedPeriod duration quantity method "
    "bodySite fastingStatusCodeableConcept fastingStatusDuration",
    "Container": "identifier:Identifier description type capacity specimenQuantity "
    "additiveCodeableConcept additiveReference",
    "Device": f"{RESOURCE} identifier:Identifier definition udiCarrier status:code statusReason "
    "distinctIdentifier manufacturer manufactureDate expirationDate lotNumber serialNumber "
    "deviceName:DeviceName modelNumber partNumber type:CodeableConcept specialization "
    "version:DeviceVersion property patient owner contact location url note safety "
    "parent:Reference",
    "DeviceName": "name:string type:code",
    "DeviceVersion": "type:CodeableConcept component value:string",
    "Observation": f"{RESOURCE} identifier:Identifier basedOn:Reference partOf:Reference "
    "status:code category:CodeableConcept code:CodeableConcept subject:Reference focus:Reference "
    "encounter:Reference effectiveDateTime:dateTime effectivePeriod effectiveTiming "
    "effectiveInstant issued:instant performer:Reference valueQuantity:Quantity "
    "valueCodeableConcept valueString valueBoolean valueInteger:integer valueRange:Range "
    "valueRatio valueSampledData valueTime valueDateTime valuePeriod "
    "dataAbsentReason:CodeableConcept interpretation:CodeableConcept note:Annotation bodySite "
    "method:CodeableConcept specimen:Reference device:Reference referenceRange:ReferenceRange "
    "hasMember:Reference derivedFrom:Reference component:Component",
    "Component": "code:CodeableConcept valueQuantity:Quantity valueCodeableConcept valueString "
    "valueBoolean valueInteger:integer valueRange:Range valueRatio valueSampledData valueTime "
    "valueDateTime valuePeriod dataAbsentReason interpretation referenceRange",
    "ReferenceRange": "low:Quantity high:Quantity type:CodeableConcept appliesTo:CodeableConcept "
    "age:Range text:string",
    "CodeableConcept": "coding:Coding text:string",
    "Coding": "system:uri version:string code:code display:string userSelected",
    "Identifier": "use type system:uri value:string period assigner",
    "Quantity": "value:decimal comparator unit:string system:uri code:code",
    "Range": "low:Quantity high:Quantity",
    "Reference": "reference:string type identifier display",
    "Annotation": "authorReference authorString time text:markdown",
}
"""The elements of R4 (4.0.1), transcribed from hl7.org/fhir/R4: those used with their types.

fhir.resources has R4B, which for these resources should be the same: this says that it is.
"""

LISTS = {
    *("BundleEntry", "coding", "category", "specimen/DiagnosticReport", "result", "identifier"),
    *("container", "deviceName", "version/Device", "interpretation", "note", "referenceRange"),
    *("derivedFrom", "component", "appliesTo", "entry"),
}


def check_r4(value: Any, kind: str, at: str = "") -> None:
    if kind == "Resource":
        kind, value = value["resourceType"], {k: v for k, v in value.items() if k != "resourceType"}
    if kind not in R4:
        assert not isinstance(value, dict | list), at
        assert value not in (None, ""), at
        return
    elements = dict(one.partition(":")[::2] for one in R4[kind].split())
    assert value, at
    for name, inner in value.items():
        assert elements.get(name), f"{at}.{name} is not an element of R4 that was looked up"
        many = name in LISTS or f"{name}/{kind}" in LISTS
        many &= not (kind == "Container" and name != "identifier")
        assert isinstance(inner, list) == many, f"{at}.{name}"
        for one in inner if many else [inner]:
            check_r4(one, elements[name], f"{at}.{name}")


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from (v for k, v in value.items() if k == "reference")
        for inner in value.values():
            yield from references(inner)
    if isinstance(value, list):
        for inner in value:
            yield from references(inner)


def resources(report: SmearReport, kind: str) -> list[Resource]:
    entries = json.loads(report_fhir(report))["entry"]
    found = (entry["resource"] for entry in entries)
    return [one for one in found if one["resourceType"] == kind]


def observations(report: SmearReport) -> dict[str, Resource]:
    """By our own code, or else LOINC's."""
    return {one["code"]["coding"][-1]["code"]: one for one in resources(report, "Observation")}


@pytest.fixture
def make(make_cell: Callable[..., Cell], make_report: MakeReport) -> Callable[..., SmearReport]:
    def made(types: dict[str, int], **more: object) -> SmearReport:
        names = [name for name, n in types.items() for _ in range(n)]
        cells = (make_cell(name, number) for number, name in enumerate(names))
        return make_report(*cells, **more)

    return made


KNOWN = Sample("S 1", "P 1", "female", 40, 6.2, "2026-11-20")
COUNT = {"neutrophil": 60, "lymphocyte": 20, "eosinophil": 12, "erythroblast": 1, "unidentified": 2}


@pytest.fixture
def full(make: Callable[..., SmearReport]) -> SmearReport:
    """All that a report can have."""
    right = {name: {name: 900, "unidentified": 5} for name in COUNT if name != "unidentified"}
    others = {name: {name: 300} for name in ("monocyte", "basophil", "immature_granulocyte")}
    confusion = Confusion.from_mapping(right | others)
    return make(COUNT, sample=KNOWN, counting=CountingOptions(confusion=confusion))


def test_it_is_valid_and_uses_nothing_that_r4_lacks(full: SmearReport) -> None:
    from fhir.resources.R4B.bundle import Bundle

    bundle = json.loads(report_fhir(full))
    Bundle.model_validate(bundle)
    check_r4(bundle, "Resource")


def test_what_is_referred_to_is_there_once(full: SmearReport) -> None:
    bundle = json.loads(report_fhir(full))
    named = [entry["fullUrl"] for entry in bundle["entry"]]
    assert len(set(named)) == len(named)
    assert set(references(bundle)) <= set(named)
    assert all(e["fullUrl"] == f"urn:uuid:{e['resource']['id']}" for e in bundle["entry"])


def test_the_report_is_preliminary_and_lists_every_observation(full: SmearReport) -> None:
    (report,) = resources(full, "DiagnosticReport")
    assert report["status"] == "preliminary"
    assert report["effectiveDateTime"] == "2026-11-20"
    assert report["issued"] == "2026-11-22T10:00:00+00:00"
    assert "eosinophil high" in report["conclusion"]
    assert report["conclusion"].endswith("to be verified by a person.")
    ids = [f"urn:uuid:{one['id']}" for one in resources(full, "Observation")]
    assert [one["reference"] for one in report["result"]] == ids


def test_a_share(full: SmearReport) -> None:
    one = observations(full)["eosinophil_percent"]
    assert one["status"] == "preliminary"
    assert one["code"]["coding"][0] == {
        "system": LOINC,
        "code": "26450-7",
        "display": "Eosinophils/Leukocytes in Blood",
    }
    assert one["valueQuantity"] == {
        "value": 13.04,
        "unit": "%",
        "system": "http://unitsofmeasure.org",
        "code": "%",
    }
    (meaning,) = one["interpretation"]
    assert [coding["code"] for coding in meaning["coding"]] == ["H", "high"]
    (reference,) = one["referenceRange"]
    assert (reference["low"]["value"], reference["high"]["value"]) == (1, 6)
    assert "Dacie" in reference["text"]
    assert "appliesTo" not in reference
    parts = {part["code"]["coding"][0]["code"]: part for part in one["component"]}
    interval = parts["interval_95"]["valueRange"]
    assert (interval["low"]["value"], interval["high"]["value"]) == (6.925, 21.68)
    assert parts["cells_of_this_type"]["valueInteger"] == 12
    assert parts["named_white_cells"]["valueInteger"] == 92
    moved = parts["if_unidentified"]["valueRange"]
    assert (moved["low"]["value"], moved["high"]["value"]) == (12.77, 14.89)


@pytest.mark.parametrize(
    ("types", "code", "flag"),
    [
        pytest.param({"neutrophil": 95, "lymphocyte": 5}, "H", "high", id="high"),
        pytest.param({"neutrophil": 84, "lymphocyte": 16}, "H", "possibly-high", id="possibly"),
        pytest.param({"neutrophil": 10, "lymphocyte": 90}, "L", "low", id="low"),
        pytest.param({"neutrophil": 36, "lymphocyte": 64}, "L", "possibly-low", id="possibly low"),
    ],
)
def test_interpretations(
    make: Callable[..., SmearReport], types: dict[str, int], code: str, flag: str
) -> None:
    (meaning,) = observations(make(types))["neutrophil_percent"]["interpretation"]
    assert [coding["code"] for coding in meaning["coding"]] == [code, flag]
    assert meaning["text"].startswith(flag.replace("-", " "))


def test_critical_values_and_ranges_of_a_sex_and_an_age(make: Callable[..., SmearReport]) -> None:
    reference = ReferenceRange(
        "neutrophil", "%", 40, 80, "ours", "female", 18, 60, critical_high=90, critical_low=5
    )
    report = make(
        {"neutrophil": 99, "lymphocyte": 1},
        sample=KNOWN,
        counting=CountingOptions(profile=Profile("x", "X", (reference,))),
    )
    one = observations(report)["neutrophil_percent"]
    assert [c["code"] for c in one["interpretation"][0]["coding"]] == ["HH", "critical-high"]
    (found,) = one["referenceRange"]
    assert found["appliesTo"] == [{"text": "female"}]
    assert (found["age"]["low"]["value"], found["age"]["high"]["value"]) == (18, 60)
    check_r4(json.loads(report_fhir(report)), "Resource")


def test_without_cells_a_share_has_a_reason_for_being_absent(
    make: Callable[..., SmearReport],
) -> None:
    one = observations(make({}))["neutrophil_percent"]
    assert one["dataAbsentReason"]["text"] == "not enough cells were counted"
    assert not {"valueQuantity", "interpretation", "component", "note"} & set(one)
    assert "referenceRange" in one


def test_the_analyzers_count_is_not_ours(full: SmearReport) -> None:
    found = observations(full)
    given = found["white_cell_count"]
    assert given["valueQuantity"]["value"] == 6.2
    assert given["valueQuantity"]["code"] == "10*9/L"
    assert "device" not in given
    assert "component" not in given
    sources = {one["reference"] for one in found["neutrophil_count"]["derivedFrom"]}
    names = ("neutrophil_percent", "white_cell_count")
    assert sources == {f"urn:uuid:{found[name]['id']}" for name in names}


def test_a_corrected_share_has_no_loinc_code_and_names_its_source(full: SmearReport) -> None:
    found = observations(full)
    one = found["neutrophil_percent_corrected"]
    assert [coding["system"] for coding in one["code"]["coding"]] == [LOCAL]
    assert one["derivedFrom"][0]["reference"].endswith(found["neutrophil_percent"]["id"])
    assert "errors allowed for" in one["method"]["text"]


def test_nobody_is_invented(make: Callable[..., SmearReport]) -> None:
    report = make(COUNT)
    assert resources(report, "Patient") == []
    assert "30525-0" not in observations(report)
    (specimen,) = resources(report, "Specimen")
    assert not {"identifier", "collection", "note", "subject"} & set(specimen)
    assert "effectiveDateTime" not in resources(report, "DiagnosticReport")[0]


def test_what_is_known_of_the_sample(full: SmearReport) -> None:
    (patient,) = resources(full, "Patient")
    (specimen,) = resources(full, "Specimen")
    assert (patient["identifier"][0]["value"], patient["gender"]) == ("P 1", "female")
    assert specimen["identifier"][0]["value"] == "S 1"
    assert specimen["collection"] == {"collectedDateTime": "2026-11-20"}
    assert specimen["container"][0]["identifier"][0]["value"] == "smear 1"
    assert observations(full)["30525-0"]["valueQuantity"]["value"] == 40


def test_a_date_that_is_none_is_a_note(make: Callable[..., SmearReport]) -> None:
    report = make(COUNT, sample=Sample(collected="22.11.2026"))
    (specimen,) = resources(report, "Specimen")
    assert specimen["note"] == [{"text": "collected: 22.11.2026"}]
    assert "collection" not in specimen


def test_software_and_models_are_devices(full: SmearReport) -> None:
    software, *models = resources(full, "Device")
    assert software["version"] == [{"value": "0.1.0"}]
    assert [one["deviceName"][0]["name"] for one in models] == ["d", "c"]
    assert models[0]["version"][1]["value"] == "a" * 64
    parent = f"urn:uuid:{software['id']}"
    assert all(one["parent"]["reference"] == parent for one in models)


def test_a_persons_cells_are_counted_in_the_conclusion(
    make_cell: Callable[..., Cell], make_report: MakeReport
) -> None:
    report = make_report(make_cell("monocyte", reviewed_as="lymphocyte"), make_cell("monocyte", 2))
    (found,) = resources(report, "DiagnosticReport")
    assert "1 of 2 cells were named by a person" in found["conclusion"]
