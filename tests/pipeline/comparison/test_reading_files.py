import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from leukodiff.core.errors import InputError
from leukodiff.pipeline.comparison.reading_files import read_counts, read_readings, read_table
from leukodiff.pipeline.comparison.readings import Reading, in_order, type_of
from leukodiff.pipeline.exports.tables import cells_csv, counts_csv

Table = Callable[..., Path]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("neutrophil", "neutrophil"),
        ("Neutrophils", "neutrophil"),
        (" Segs ", "neutrophil"),
        ("BAS", "basophil"),
        ("NRBCs", "erythroblast"),
        ("immature granulocytes", "immature_granulocyte"),
        ("Immature_Granulocyte", "immature_granulocyte"),
        ("promyelocyte", "immature_granulocyte"),
        ("?", "?"),
        ("Plasma cell", "plasma_cell"),
    ],
)
def test_names_of_a_count_sheet(text: str, name: str) -> None:
    assert type_of(text) == name


def test_types_stand_in_the_vocabulary_s_order() -> None:
    assert in_order({"blast", "basophil", "neutrophil"}) == ["neutrophil", "basophil", "blast"]


def test_a_count_of_rows(table: Table) -> None:
    path = table(
        "c.csv",
        ("cell_type", "count"),
        ("Segs", 50),
        ("Bands", 10),
        ("lymphocyte", 38),
        ("blast", 2),
        ("NRBC", 7),
        ("monocyte", ""),
    )
    (found,) = read_readings(path)
    assert found.n == 100
    assert (found.count("neutrophil"), found.count("erythroblast")) == (60, 7)
    assert found.percent("blast") == 2
    assert found.count("monocyte") == 0
    assert found.strange_types == {"blast"}


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_what_spreadsheets_save(tmp_path: Path, separator: str) -> None:
    path = tmp_path / "c.csv"
    rows = ["Slide_ID|Cell_Type|Count", "1|neutrophil|3", "||", "1|lymphocyte|1"]
    path.write_text("\ufeff" + "\r\n".join(rows).replace("|", separator), encoding="utf-8")
    (found,) = read_readings(path)
    assert (found.slide_id, found.n) == ("1", 4)


def test_a_row_a_slide_and_several_readers(table: Table) -> None:
    path = table(
        "m.csv",
        ("slide_id", "reader", "Neutrophils", "Lymphocytes"),
        ("s1", "A", 60, 40),
        ("s1", "B", 55, 45),
        ("s2", "A", 10, ""),
    )
    found = read_counts(read_table(path))
    assert [(one.slide_id, one.reader, one.n) for one in found] == [
        ("s1", "A", 100),
        ("s1", "B", 100),
        ("s2", "A", 10),
    ]


@pytest.mark.parametrize(
    ("header", "rows"),
    [
        pytest.param(
            ("slide_id", "n", "neutrophil", "lymphocyte"), [("s", 200, 60.5, 39.5)], id="wide"
        ),
        pytest.param(
            ("slide_id", "cell_type", "percent", "n"),
            [("s", "neutrophil", 60.5, 200), ("s", "lymphocyte", 39.5, 200)],
            id="long",
        ),
    ],
)
def test_percentages_of_so_many_cells(
    table: Table, header: tuple[str, ...], rows: list[tuple[object, ...]]
) -> None:
    (found,) = read_counts(read_table(table("m.csv", header, *rows)))
    assert found.n == 200
    assert found.count("neutrophil") == 121
    assert found.percent("neutrophil") == pytest.approx(60.5)


def test_counts_that_sum_to_n_are_counts(table: Table) -> None:
    path = table("m.csv", ("slide_id", "n", "neutrophil", "lymphocyte"), ("s", 50, 30, 20))
    assert read_counts(read_table(path))[0].count("neutrophil") == 30


def test_a_decimal_comma(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text("slide_id;n;neutrophil;lymphocyte\ns;200;60,5;39,5\n")
    assert read_readings(path)[0].count("neutrophil") == 121


def test_a_slide_s_folder_counts_a_person_s_names(slide_folder: Callable[..., Path]) -> None:
    folder = slide_folder("s", ["neutrophil", "monocyte", "unidentified"], {1: "lymphocyte"})
    (person,) = read_readings(folder)
    (machine,) = read_readings(folder, as_classified=True)
    assert person.counts == {"neutrophil": 1, "lymphocyte": 1, "unidentified": 1}
    assert machine.counts == {"neutrophil": 1, "monocyte": 1, "unidentified": 1}
    assert person.n == machine.n == 2
    assert [one.by_person for one in person.cells or ()] == [False, True, False]


def test_what_analyze_writes_is_read_back(
    tmp_path: Path, make_report: Callable[..., Any], make_cell: Callable[..., Any]
) -> None:
    cells = [make_cell("neutrophil", 1), make_cell("monocyte", 2, reviewed_as="basophil")]
    report = make_report(*cells, slide_id="=s 1")
    (tmp_path / "slide").mkdir()
    (tmp_path / "slide/cells.csv").write_text(cells_csv(report), encoding="utf-8")
    (tmp_path / "counts.csv").write_text(counts_csv([report]), encoding="utf-8")
    (of_cells,) = read_readings(tmp_path / "slide")
    (of_counts,) = read_readings(tmp_path)
    assert of_cells.slide_id == of_counts.slide_id == "=s 1"
    assert of_cells.count("basophil") == of_counts.count("basophil") == 1
    assert of_cells.n == of_counts.n == 2
    assert of_counts.count("red_cell") == 12
    assert (of_cells.cells or ())[0].box == (10.0, 20.0, 40.5, 60.0)


def test_a_slide_without_cells(slide_folder: Callable[..., Path]) -> None:
    (found,) = read_readings(slide_folder("empty", []))
    assert (found.slide_id, found.n, found.cells) == ("empty", 0, ())
    assert found.percent("neutrophil") is None


LONG, WIDE = "cell_type,count\n", "slide_id,n,neutrophil,lymphocyte\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("", "empty", id="empty file"),
        pytest.param("a,b\n1,2\n", "cell_type and count", id="another table"),
        pytest.param("cell_type,n\nneutrophil,2\n", "a column count", id="no count"),
        pytest.param("cell_type,percent\nneutrophil,2\n", "percent and n", id="percent of what"),
        pytest.param("cell_type,count,count\n", "two columns are called count", id="twice"),
        pytest.param(LONG, "no counts in it", id="no rows"),
        pytest.param(LONG + "neutrophil,-1\n", "line 2: count '-1'", id="negative"),
        pytest.param(LONG + "neutrophil,nan\n", "line 2: count 'nan'", id="nan"),
        pytest.param(LONG + "neutrophil,inf\n", "line 2: count 'inf'", id="inf"),
        pytest.param(LONG + "neutrophil,many\n", "line 2: count 'many'", id="a word"),
        pytest.param(LONG + "neutrophil,1.5\n", "no whole number", id="half a cell"),
        pytest.param(LONG + ",3\n", "line 2: cell_type is empty", id="no type"),
        pytest.param(LONG + "Total,100\n", "Total is a sum", id="a sum"),
        pytest.param(LONG + "basophil,1\nbasophil,2\n", "line 3: basophil stands", id="again"),
        pytest.param(WIDE + "s,200,60,30\n", "sum to 90", id="not 100 %"),
        pytest.param(WIDE + "s,10,6,4\ns,10,6,4\n", "add a column reader", id="slide twice"),
        pytest.param(
            "slide_id,cell_type,count\n,neutrophil,1\ns,neutrophil,1\n", "slide_id is", id="half"
        ),
        pytest.param(
            "cell_type,percent,n\nneutrophil,60,100\nlymphocyte,40,200\n", "one whole", id="two n"
        ),
        pytest.param(
            "cell_type,percent,n\nneutrophil,60,100\nlymphocyte,20,100\n", "sum to 80", id="80 %"
        ),
        pytest.param(
            "slide_id,cell_id,cell_type\ns,1,basophil\nt,2,basophil\n", "several", id="two slides"
        ),
        pytest.param("cell_id,cell_type\n1,\n", "line 2: cell_type is empty", id="cell, no type"),
        pytest.param(
            "cell_id,cell_type,x_min\n1,basophil,left\n", "line 2: x_min 'left'", id="no box"
        ),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "c.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=r"c\.csv") as caught:
        read_readings(path)
    assert words in str(caught.value)


def test_what_can_not_be_opened_is_named(tmp_path: Path) -> None:
    (tmp_path / "latin.csv").write_bytes("cell_type,count\nZelle Ä,1\n".encode("latin-1"))
    for name, words in (("no.csv", "can't be read"), ("latin.csv", "UTF-8"), ("", "no cells.csv")):
        with pytest.raises(InputError, match=words):
            read_readings(tmp_path / name)


def test_a_count_does_not_know_who_named_the_cells(table: Table) -> None:
    path = table("c.csv", ("cell_type", "count"), ("basophil", 1))
    with pytest.raises(InputError, match="--as-classified"):
        read_readings(path, as_classified=True)


def test_a_reading_is_called_by_its_slide_or_file(reading: Callable[..., Reading]) -> None:
    assert reading(1).name == "s1"
    assert reading(1, slide_id="").name == "counts.csv"
    assert json.dumps(reading(1).counts) == '{"neutrophil": 1}'
