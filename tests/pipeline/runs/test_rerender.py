"""A report is stored as it is, and made again in other words or with other ranges."""

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from leukodiff.classifier.facts import CellFacts, CellNote
from leukodiff.core.errors import InputError
from leukodiff.detector.areas import AreaKind
from leukodiff.pipeline.analysis.models import Models
from leukodiff.pipeline.cli import main
from leukodiff.pipeline.exports.bundle import ReportSettings
from leukodiff.pipeline.report.cells import Cell
from leukodiff.pipeline.report.differential import COUNTED
from leukodiff.pipeline.report.fields import Area, FieldResult, ScanReading
from leukodiff.pipeline.report.report import CountingOptions, SmearReport
from leukodiff.pipeline.report.sample import Sample
from leukodiff.pipeline.report.serialize import STORED, read_stored, to_json
from leukodiff.pipeline.report.statistics import Confusion
from leukodiff.pipeline.runs.analyze import AnalyzeSettings, analyze

MakeCell = Callable[..., Cell]
MakeReport = Callable[..., SmearReport]


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def out(tmp_path: Path, smear: Callable[..., Path], models: Models) -> Path:
    """An output with two slides, of which the second has a white cell count."""
    first = smear("one", a=("neutrophil", "lymphocyte"), b=("neutrophil",))
    second = smear("two", a=("lymphocyte",))
    samples = tmp_path / "samples.csv"
    samples.write_text("slide_id,wbc_count\ntwo,4.5\n", encoding="utf-8")
    settings = AnalyzeSettings(report=ReportSettings(samples=samples))
    analyze([first, second], tmp_path / "out", settings, models=models)
    return tmp_path / "out"


def whole(make_cell: MakeCell, make_report: MakeReport) -> SmearReport:
    area = Area(0, 0, 9, 9, AreaKind.USABLE, 0.5, True, 1)
    return make_report(
        make_cell(
            "neutrophil", 1, facts=CellFacts(160.1, None, 3, CellNote.BLURRED), atypical=0.25
        ),
        make_cell("unidentified", 2, note=CellNote.CUT, is_atypical=True, reviewed_as="monocyte"),
        fields=(FieldResult("field 1.jpg", 8, 8, 1, None, 0, kind=AreaKind.USABLE),),
        readings={"field 1.jpg": ScanReading((area,), True, 100, True)},
        atypical_rate=0.01,
        sample=Sample("A-1", sex="male", age_years=40.0, wbc_count=6.2),
        counting=CountingOptions("wilson", confusion=Confusion.from_mapping({"monocyte": {}})),
    )


def test_what_is_stored_comes_back(
    make_cell: MakeCell, make_report: MakeReport, tmp_path: Path
) -> None:
    path = tmp_path / STORED
    for report in (whole(make_cell, make_report), make_report(fields=()), make_report(scale=None)):
        path.write_text(to_json(report), encoding="utf-8")
        again = read_stored(path)
        assert to_json(again) == to_json(report)
        assert (again.cells, again.fields, again.scale) == (
            report.cells,
            report.fields,
            report.scale,
        )
        assert (again.readings, again.sample) == (report.readings, report.sample)
        assert again.measurements == report.measurements
        assert list(map(str, again.remarks)) == list(map(str, report.remarks))


@pytest.mark.parametrize(
    ("text", "reported"),
    [
        pytest.param("{", "damaged", id="cut off"),
        pytest.param("[]", "not a report of this version", id="a list"),
        pytest.param('{"version": 0}', "not a report of this version", id="another version"),
        pytest.param('{"version": 1}', "damaged", id="empty"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path: Path, text: str, reported: str) -> None:
    path = tmp_path / STORED
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=reported) as refusal:
        read_stored(path)
    assert str(path) in str(refusal.value)


def test_a_count_that_came_later(out: Path) -> None:
    before = rows(out / "one" / "measurements.csv")
    assert not [row for row in before if row["unit"] == "10^9/L"]
    assert run("report", out / "one", "--wbc-count", "6").exit_code == 0
    after = {(r["analyte"], r["unit"]): r for r in rows(out / "one" / "measurements.csv")}
    assert after["neutrophil", "10^9/L"]["value"] == "4"
    assert (out / "one" / "report.html").stat().st_size > 10_000
    assert json.loads((out / "one" / STORED).read_text())["sample"]["wbc_count"] == 6.0


def test_what_is_not_given_stays(out: Path) -> None:
    assert run("report", out, "--language", "de", "--interval", "wilson").exit_code == 0
    known = read_stored(out / "two" / STORED)
    assert (known.sample.wbc_count, known.counting.interval) == (4.5, "wilson")
    assert 'lang="de"' in (out / "two" / "report.html").read_text(encoding="utf-8")
    assert [row["slide_id"] for row in rows(out / "slides.csv")] == ["one", "two"]
    assert len(rows(out / "counts.csv")) == 20


def test_own_ranges_change_flags_in_every_table(out: Path, tmp_path: Path) -> None:
    own = tmp_path / "ours.toml"
    own.write_text(
        'name = "ours"\n[[range]]\nanalyte = "lymphocyte"\nunit = "%"\nlow = 0\nhigh = 0.5\n',
        encoding="utf-8",
    )
    assert run("report", out / "two", "--reference", own).exit_code == 0
    for path in (out / "two" / "counts.csv", out / "counts.csv"):
        flags = {(r["slide_id"], r["cell_type"]): r["flag"] for r in rows(path)}
        assert flags["two", "lymphocyte"] == "high"
    assert "lymphocyte high" in rows(out / "slides.csv")[1]["flags"]


def test_made_again_the_slide_is_whole(
    out: Path, smear: Callable[..., Path], models: Models
) -> None:
    first = smear("one", a=("neutrophil", "lymphocyte"), b=("neutrophil",))
    assert run("report", out / "one", "--language", "fr").exit_code == 0
    settings = AnalyzeSettings(report=ReportSettings(language="fr"))
    assert analyze([first], out, settings, models=models).slides[0].skipped
    with pytest.raises(InputError, match="with other settings"):
        analyze([first], out, models=models)


def test_pictures_that_have_gone_are_reported(out: Path) -> None:
    paths = json.loads((out / "two" / "slide.json").read_text())["paths"]
    Path(paths[0]).unlink()
    result = run("report", out / "two")
    assert result.exit_code == 0
    assert "no pictures of its cells" in result.stderr
    assert (out / "two" / "report.html").is_file()


@pytest.mark.parametrize(
    ("arguments", "reported"),
    [
        pytest.param(["nowhere"], "no slide here", id="no folder"),
        pytest.param(["out", "--wbc-count", "6.2"], "for 2 slides", id="one count for two"),
        pytest.param(["out/one", "--wbc-count", "6200"], "6.2", id="another unit"),
        pytest.param(["out/one", "--wbc-count", "-1"], "not -1", id="negative"),
        pytest.param(["out/one", "--reference", "no.toml"], "no.toml", id="no profile"),
        pytest.param(["out/one", "--language", "tlh"], "no language 'tlh'", id="no language"),
        pytest.param(["out/one", "--samples", "no.csv"], "no.csv", id="no table"),
    ],
)
def test_wrong_usage(
    out: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], reported: str
) -> None:
    monkeypatch.chdir(out.parent)
    result = run("report", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert reported in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_a_damaged_slide_fails_alone(out: Path) -> None:
    (out / "one" / STORED).write_text("{", encoding="utf-8")
    result = run("report", out)
    assert result.exit_code == 1
    assert "failed: one:" in result.stderr
    assert "two" in result.stdout


def test_a_table_of_none_of_the_slides_is_refused(
    tmp_path: Path, smear: Callable[..., Path], models: Models
) -> None:
    samples = tmp_path / "samples.csv"
    samples.write_text("slide_id,wbc_count\nsmaer,4.5\n", encoding="utf-8")
    settings = AnalyzeSettings(report=ReportSettings(samples=samples))
    with pytest.raises(InputError, match="names none of the slides"):
        analyze([smear(a=("neutrophil",))], tmp_path / "out", settings, models=models)
    assert not (tmp_path / "out").exists()


def test_the_classifier_s_confusion_reaches_the_tables(
    tmp_path: Path, smear: Callable[..., Path], models: Models
) -> None:
    errors: dict[str, Any] = {name: {name: 100} for name in COUNTED}
    errors["neutrophil"] = {"neutrophil": 90, "lymphocyte": 10}
    facts = replace(models.classifier.metadata, calibration={"confusion": errors})  # type: ignore[type-var]
    models.classifier.metadata = facts  # type: ignore[misc]
    out = tmp_path / "out"
    fields = {f"f{i}": ("neutrophil",) * 3 + ("lymphocyte",) * 2 for i in range(5)}
    analyze([smear(**fields)], out, models=models)
    row = rows(out / "smear" / "counts.csv")[0]
    low, value, high = (float(row[f"corrected_{k}"]) for k in ("low", "percent", "high"))
    assert low < value < high
