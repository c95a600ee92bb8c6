"""The report with what people said; what stands in the way of a signature; two readers."""

import csv
import io
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from leukodiff.core.errors import InputError
from leukodiff.pipeline.exports.tables import cells_csv
from leukodiff.pipeline.report.cells import Cell
from leukodiff.pipeline.report.report import SmearReport
from leukodiff.pipeline.review.record import (
    Event,
    SlideState,
    agreement,
    apply_review,
    cell_payload,
    differences,
    fold,
    may_sign,
    open_cells,
    signing,
)
from leukodiff.pipeline.review.record.events import FIRST, check_shape, normal
from leukodiff.pipeline.review.record.rules import check_event

Make = Callable[..., Any]


class Log:
    """A slide's log without a database."""

    def __init__(self, readers: int = 1) -> None:
        self.state = SlideState("smear 1")
        self.add("operator", "added", folder="/x", sha256="a" * 64, n_cells=3, readers=readers)

    def add(self, actor: str, kind: str, **payload: Any) -> None:
        content = normal(payload)
        check_shape(kind, content)
        content = check_event(self.state, actor, kind, content, ())
        n = self.state.version + 1
        self.state = fold(
            [Event(n, "s", n, actor, f"at {n}", kind, content, FIRST, "")], self.state
        )

    def name(self, actor: str, to: str | None, *cells: str, reader: int = 1) -> None:
        self.add(actor, "reclassified", cells={c: {"to": to} for c in cells}, reader=reader)


@pytest.fixture
def report(make_cell: Make, make_report: Make) -> SmearReport:
    """Two neutrophils, a lymphocyte and one that the machine would not name, side by side."""
    kinds = ("neutrophil", "neutrophil", "lymphocyte", "unidentified")
    cells = [
        make_cell(kind, i, cell_id=f"c{i}", x_min=50.0 * i, x_max=50.0 * i + 30)
        for i, kind in enumerate(kinds, 1)
    ]
    made: SmearReport = make_report(*cells)
    return made


@pytest.fixture
def missed(make_cell: Make) -> Cell:
    """A cell that a person drew."""
    cell: Cell = make_cell("monocyte", 9, cell_id="p1", x_min=400.0, x_max=430.0)
    return replace(cell, detection_confidence=0.0)


def names(report: SmearReport) -> dict[str, str | None]:
    return {cell.cell_id: cell.reviewed_as for cell in report.cells}


def test_nothing_done_is_the_machine_s_report(report: SmearReport) -> None:
    assert apply_review(report, Log().state) == report


def test_a_person_s_name_stands_next_to_the_machine_s(report: SmearReport, missed: Cell) -> None:
    log = Log()
    log.name("anna", "monocyte", "c2", "c4")
    log.add("anna", "cell_removed", cells=["c3"])
    log.add("anna", "cell_added", cell=cell_payload(missed), to="eosinophil")
    found = apply_review(report, log.state)
    rows = list(csv.DictReader(io.StringIO(cells_csv(found))))
    assert [(row["cell_id"], row["cell_type"], row["reviewed_as"]) for row in rows] == [
        ("c1", "neutrophil", ""),
        ("c2", "neutrophil", "monocyte"),
        ("c4", "unidentified", "monocyte"),
        ("p1", "monocyte", "eosinophil"),
    ]
    assert (found.differential.n, found.differential.count("monocyte")) == (4, 2)
    assert names(report) == dict.fromkeys(("c1", "c2", "c3", "c4"))


STRANGE: dict[str, Callable[[Log, Cell], None]] = {
    "no such cell": lambda log, cell: log.name("anna", "monocyte", "c9"),
    "none removed": lambda log, cell: log.add("anna", "cell_removed", cells=["c9"]),
    "there twice": lambda log, cell: log.add(
        "anna", "cell_added", cell=cell_payload(replace(cell, cell_id="c1"))
    ),
    "other classes": lambda log, cell: log.add(
        "anna", "cell_added", cell=cell_payload(replace(cell, probabilities=(1.0,)))
    ),
}


@pytest.mark.parametrize("do", STRANGE.values(), ids=STRANGE)
def test_events_of_another_report_are_refused(
    report: SmearReport, missed: Cell, do: Callable[[Log, Cell], None]
) -> None:
    log = Log()
    do(log, missed)
    with pytest.raises(InputError, match=r"^smear 1: (there is no cell|the cell|a cell was)"):
        apply_review(report, log.state)


def test_what_stands_in_the_way(report: SmearReport) -> None:
    log = Log()
    assert may_sign(report, log.state) == ["1 cell is unidentified", "4 cells were not looked at"]
    assert may_sign(report, log.state, "smudged") == []
    log.add("anna", "looked_at", cells=["c1", "c2", "c3"])
    log.name("anna", "basophil", "c4")
    assert may_sign(report, log.state) == []
    log.add("anna", "cell_removed", cells=["c1"])
    assert open_cells(report, log.state) == {"unidentified": 0, "not_looked_at": 0}
    log.add("anna", "signed", **signing(report, log.state, "Anna Berg"))
    assert may_sign(report, log.state, "again") == ["it is signed"]
    signature = log.state.signatures[0]
    assert signature.machine == {"neutrophil": 2, "lymphocyte": 1, "unidentified": 1}
    assert signature.person == {"neutrophil": 1, "lymphocyte": 1, "basophil": 1}
    assert (signature.unidentified, signature.not_viewed, signature.name) == (0, 0, "Anna Berg")


def test_a_signature_that_may_not_be_is_not_made(report: SmearReport) -> None:
    with pytest.raises(InputError, match="can't be signed: 1 cell is unidentified; 4 cells"):
        signing(report, Log().state, "Anna Berg")
    payload = signing(report, Log().state, "Anna Berg", reason="smudged")
    assert payload["open"] == {"unidentified": 1, "not_looked_at": 4}


def two_readers(report: SmearReport, missed: Cell) -> Log:
    """Both read: they agree on c1 and c2 and c4, differ on c3, and both found the missed cell."""
    log = Log(readers=2)
    log.name("anna", "monocyte", "c3")
    log.name("anna", "basophil", "c4")
    log.name("anna", "neutrophil", "c1")
    log.add("anna", "cell_added", cell=cell_payload(missed))
    near = replace(missed, cell_id="p2", x_min=missed.x_min + 2)
    log.name("ben", "basophil", "c4", reader=2)
    log.add("ben", "cell_added", cell=cell_payload(near), to="monocyte", reader=2)
    return log


def sign_both(log: Log, report: SmearReport) -> None:
    for actor, reader in (("anna", 1), ("ben", 2)):
        content = signing(report, log.state, actor, reader=reader, reason="a test")
        log.add(actor, "signed", **content)


def test_readers_are_kept_apart(report: SmearReport, missed: Cell) -> None:
    log = two_readers(report, missed)
    one, two = (apply_review(report, log.state, n) for n in (1, 2))
    assert names(one) == {"c1": "neutrophil", "c2": None, "c3": "monocyte"} | {
        "c4": "basophil",
        "p1": None,
    }
    assert names(two) == {"c1": None, "c2": None, "c3": None, "c4": "basophil", "p2": "monocyte"}


@pytest.mark.slow
def test_what_readers_differ_on_is_open_until_a_third_decides(
    report: SmearReport, missed: Cell
) -> None:
    log = two_readers(report, missed)
    sign_both(log, report)
    assert log.state.awaits_third
    message = [(d.cell_id, d.first, d.second, d.decided) for d in differences(report, log.state)]
    assert message == [("c3", "monocyte", "lymphocyte", False)]
    found = apply_review(report, log.state)
    assert names(found) == {
        "c1": "neutrophil",
        "c2": None,
        "c3": "unidentified",
        "c4": "basophil",
        "p1": "monocyte",
    }
    assert may_sign(report, log.state, "in haste", 3) == ["1 difference is not decided"]
    log.name("cleo", "lymphocyte", "c3", reader=3)
    assert differences(report, log.state)[0].decided
    assert may_sign(report, log.state, "", 3) == []
    log.add("cleo", "signed", **signing(report, log.state, "Cleo", reader=3))
    assert log.state.status == "signed"
    assert names(apply_review(report, log.state))["c3"] == "lymphocyte"
    agreed = agreement(report, log.state)
    assert (agreed.agreed, len(agreed.named)) == (4, 5)


def test_readers_who_agree_need_no_third(report: SmearReport, missed: Cell) -> None:
    log = two_readers(report, missed)
    log.name("ben", "monocyte", "c3", reader=2)
    sign_both(log, report)
    assert (log.state.status, log.state.awaits_third) == ("signed", False)
    assert may_sign(report, log.state, "", 3) == ["there is nothing to decide between two readers"]


def test_a_cell_of_one_reader_alone_is_decided_too(report: SmearReport, missed: Cell) -> None:
    log = Log(readers=2)
    log.add("anna", "cell_removed", cells=["c1", "c2"])
    log.add("ben", "cell_added", cell=cell_payload(missed), reader=2)
    sign_both(log, report)
    message = [(d.cell_id, d.first, d.second) for d in differences(report, log.state)]
    assert message == [
        ("c1", None, "neutrophil"),
        ("c2", None, "neutrophil"),
        ("p1", None, "monocyte"),
    ]
    log.add("cleo", "cell_removed", cells=["c1", "p1"], reader=3)
    log.name("cleo", "neutrophil", "c2", reader=3)
    assert names(apply_review(report, log.state)) == {"c2": "neutrophil", "c3": None, "c4": None}
