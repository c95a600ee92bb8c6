"""Whatever a person can give or gets is in the documents, by its own name."""

import re
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import fields
from pathlib import Path

import click
import pytest

from leukodiff.pipeline.cli import main
from leukodiff.pipeline.exports import tables
from leukodiff.pipeline.exports.bundle import EXPORTS
from leukodiff.pipeline.report import measurements
from leukodiff.pipeline.report.flags import Flag
from leukodiff.pipeline.report.reference_ranges import (
    ADULT,
    PER_HUNDRED,
    PER_LITRE,
    PERCENT,
    RATIO,
    UNITS,
    ReferenceRange,
    read_profile,
)
from leukodiff.pipeline.report.sample import Sample
from leukodiff.pipeline.report.serialize import STORED
from leukodiff.pipeline.report.statistics import METHODS

DOCS = Path(__file__).parents[1] / "docs"
PAGES = {path.name: path.read_text(encoding="utf-8") for path in sorted(DOCS.glob("*.md"))}


def commands(group: click.Group, *names: str) -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        yield " ".join((*names, name)), command
        if isinstance(command, click.Group):
            yield from commands(command, *names, name)


COMMANDS = dict(commands(main))
OPTIONS = sorted(
    {
        (name, option)
        for name, command in COMMANDS.items()
        for parameter in command.params
        if isinstance(parameter, click.Option)
        for option in parameter.opts
        if option.startswith("--")
    }
)


def section(page: str, heading: str) -> str:
    """What stands below a heading of the second rank."""
    found = PAGES[page].partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    assert found, f"{page} has no heading {heading}"
    return found


def in_tables(text: str) -> set[str]:
    """The names in the first column of the tables in a text."""
    return set(re.findall(r"`([^`]+)`", "".join(re.findall(r"^\|(.*?)\|", text, re.M))))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_documented(name: str) -> None:
    everything = "\n".join(PAGES.values())
    assert re.search(rf"`(leukodiff )?{name}\b|^## {name}$", everything, re.M)
    assert COMMANDS[name].help


@pytest.mark.parametrize(("name", "option"), OPTIONS, ids=[" ".join(one) for one in OPTIONS])
def test_every_option_is_documented(name: str, option: str) -> None:
    everything = "\n".join(PAGES.values())
    assert re.search(rf"`{option}(?![\w-])", everything), f"{name} {option}"


@pytest.mark.parametrize(
    ("heading", "columns"),
    [
        ("cells.csv", (*tables.CELL_COLUMNS, *tables.FACT_COLUMNS)),
        ("fields.csv", tables.FIELD_COLUMNS),
        ("areas.csv", tables.AREA_COLUMNS),
        ("counts.csv", tables.COUNT_COLUMNS),
        ("measurements.csv", tables.MEASUREMENT_COLUMNS),
        ("slides.csv", tables.SLIDE_COLUMNS),
    ],
)
def test_every_column_is_documented(heading: str, columns: tuple[str, ...]) -> None:
    assert set(columns) - in_tables(section("output.md", heading)) == set()


def test_every_table_is_checked() -> None:
    known = {name for name in vars(tables) if name.endswith("_COLUMNS")}
    checked = {"CELL", "FACT", "FIELD", "AREA", "COUNT", "MEASUREMENT", "SLIDE"}
    assert known == {f"{name}_COLUMNS" for name in checked}


KINDS = (
    *(measurements.COUNTED_SO, measurements.CORRECTED, measurements.GIVEN),
    measurements.ESTIMATED,
)
UNITS_OF_A_REPORT = (
    *(PERCENT, PER_LITRE, RATIO, PER_HUNDRED),
    *(measurements.PER_FIELD, measurements.PER_1000_RED),
)
WORDS = {
    "flags": ("output.md", "counts.csv", tuple(filter(None, Flag))),
    "kinds": ("output.md", "measurements.csv", KINDS),
    "units": ("output.md", "measurements.csv", UNITS_OF_A_REPORT),
    "analytes": ("output.md", "measurements.csv", (*UNITS, "platelet")),
    "a profile's keys": (
        "reference.md",
        "Reference ranges",
        tuple(tomllib.loads(ADULT.read_text(encoding="utf-8"))),
    ),
    "a range's keys": (
        "reference.md",
        "Reference ranges",
        tuple(one.name for one in fields(ReferenceRange)),
    ),
    "a sample's columns": (
        "reference.md",
        "The table of samples",
        ("slide_id", *(one.name for one in fields(Sample))),
    ),
    "intervals": ("reference.md", "How sure a share is", METHODS),
}


@pytest.mark.parametrize(("page", "heading", "words"), WORDS.values(), ids=WORDS)
def test_every_word_is_documented(page: str, heading: str, words: Iterable[str]) -> None:
    assert set(words) - in_tables(section(page, heading)) == set()


def test_a_profile_s_analytes_and_units_are_documented() -> None:
    text = section("reference.md", "Reference ranges")
    words = {*UNITS, *(unit for units in UNITS.values() for unit in units)}
    assert {word for word in words if f"`{word}`" not in text} == set()


@pytest.mark.parametrize("name", EXPORTS)
def test_every_export_is_documented(name: str) -> None:
    file_name, _ = EXPORTS[name]
    assert f"| `{name}` | `{file_name}` |" in PAGES["exports.md"]
    assert file_name in PAGES["output.md"]


def test_every_file_of_a_slide_is_in_the_tree() -> None:
    tree = PAGES["output.md"].partition("```")[2].partition("```")[0]
    made = ("cells.csv", "fields.csv", "counts.csv", "measurements.csv", "areas.csv", STORED)
    assert [name for name in made if f" {name} " not in tree] == []


def test_the_example_of_a_profile_is_one(tmp_path: Path) -> None:
    example = PAGES["reference.md"].partition("```toml\n")[2].partition("```")[0]
    path = tmp_path / "ours.toml"
    path.write_text(example, encoding="utf-8")
    found = read_profile(path)
    infant, adult = Sample(age_years=2), Sample(age_years=42)
    assert found.name == "our laboratory"
    assert found.reference("lymphocyte", "%", Sample()) is None
    assert getattr(found.reference("lymphocyte", "%", infant), "high", None) == 60
    assert getattr(found.reference("lymphocyte", "%", adult), "high", None) == 45


def test_the_example_of_a_table_of_samples_is_one(tmp_path: Path) -> None:
    from leukodiff.pipeline.report.sample import read_samples

    text = section("reference.md", "The table of samples")
    path = tmp_path / "samples.csv"
    path.write_text(text.partition("```\n")[2].partition("```")[0], encoding="utf-8")
    found = read_samples(path)
    assert found["smear 1"].wbc_count == 6.2
    assert found["smear 2"] == Sample("26-004712")


@pytest.mark.parametrize("page", PAGES)
def test_links_between_pages_lead_somewhere(page: str) -> None:
    for link in re.findall(r"\]\((?!http)([^)]+)\)", PAGES[page]):
        name, _, anchor = link.partition("#")
        assert not name or (DOCS / name).exists(), link
        text = PAGES.get(name or page, "")
        headings = re.findall(r"^#+ (.*)$", text, re.M)
        slugs = {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in headings}
        assert not anchor or not text or anchor in slugs, link


def test_every_path_of_the_architecture_is_there() -> None:
    text = PAGES["architecture.md"]
    paths = set(re.findall(r"`([\w.-]+/[\w./-]*)`", text))
    assert len(paths) > 50
    assert sorted(path for path in paths if not (DOCS.parent / path).exists()) == []
    for journey in ("Image path to cells.csv", "Corrected cell to counts.csv of an export"):
        assert len(re.findall(r"^\d+\. ", section("architecture.md", journey), re.M)) <= 12


def test_every_type_of_the_architecture_is_in_its_file() -> None:
    rows = re.findall(r"^\| (`.*?) \| (`.*?) \|", section("architecture.md", "What flows"), re.M)
    assert len(rows) > 10
    for types, paths in rows:
        text = "".join(
            (DOCS.parent / path).read_text(encoding="utf-8")
            for path in re.findall(r"`(.+?)`", paths)
        )
        for name in re.findall(r"`(\w+)`", types):
            assert f"class {name}" in text, name


def test_every_new_word_of_the_glossary_is_in_the_code() -> None:
    rooms = ("classifier", "core", "datasets", "detector", "pipeline", "runtime")
    files = [path for room in rooms for path in (DOCS.parent / room).rglob("*.py")]
    words = {one for path in files for one in re.findall(r"\w+", path.read_text(encoding="utf-8"))}
    words |= {part for path in files for part in (path.stem, path.parent.name)}
    table = section("glossary.md", "Old words and new ones")
    cells = [cell for row in re.findall(r"^\| (.*) \|$", table, re.M) for cell in row.split(" | ")]
    new = {name for cell in cells[1::2] for name in re.findall(r"`([^`]+)`", cell)}
    assert len(new) > 60
    last = {name: name.removesuffix(".py").rstrip("/").rpartition("/")[2] for name in new}
    assert sorted(name for name in new if last[name] not in words) == []
