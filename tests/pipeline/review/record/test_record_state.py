"""What events add up to, and what undo and redo make of it."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leukodiff.classifier.facts import CellNote
from leukodiff.core.errors import InputError
from leukodiff.pipeline.report.cells import Cell
from leukodiff.pipeline.review.record import (
    Event,
    SlideState,
    cell_payload,
    digest,
    fold,
    redo,
    undo,
)
from leukodiff.pipeline.review.record.events import FIRST, cell_of, check_shape, normal
from leukodiff.pipeline.review.record.rules import Conflict, Locked, check_event

Payload = dict[str, Any]

NEW = Cell("field 1.jpg", "p1", 1.0, 2.0, 3.5, 4.0, 0.0, "neutrophil", 0.9, (0.9, 0.1))


class Log:
    """A slide's log without a database."""

    def __init__(self, readers: int = 1) -> None:
        self.events: list[Event] = []
        added = {"folder": "/x", "sha256": "a" * 64, "n_cells": 3, "readers": readers}
        self.add("operator", "added", added)

    def add(self, actor: str, kind: str, payload: Any) -> Event:
        content = normal(payload)
        check_shape(kind, content)
        content = check_event(self.state, actor, kind, content, ())
        n = len(self.events) + 1
        self.events.append(Event(n, "s", n, actor, f"at {n}", kind, content, FIRST, ""))
        return self.events[-1]

    @property
    def state(self) -> SlideState:
        return fold(self.events, SlideState("s"))

    def name(self, actor: str, to: str | None, *cells: str, **more: Any) -> Event:
        return self.add(actor, "reclassified", {"cells": {c: {"to": to} for c in cells}, **more})

    def undo(self, actor: str, reader: int = 1) -> bool:
        return self._do(actor, undo(self.state, actor, reader))

    def redo(self, actor: str, reader: int = 1) -> bool:
        return self._do(actor, redo(self.state, actor, reader))

    def _do(self, actor: str, change: Any) -> bool:
        if change:
            self.add(actor, change.kind, change.payload)
        return change is not None


def seen(state: SlideState) -> tuple[Any, ...]:
    one = state.reading()
    return dict(one.reviewed_as), one.removed, tuple(cell.cell_id for cell in one.added)


def test_nothing_adds_up_to_nothing() -> None:
    assert fold([]) == SlideState("")
    assert fold([], SlideState("s")) == SlideState("s")


def test_one_of_each() -> None:
    log = Log()
    assert log.state.status == "analysed"
    log.add("anna", "opened", {})
    assert (log.state.status, log.state.actor, log.state.version) == ("analysed", "operator", 2)
    log.add("anna", "looked_at", {"cells": ["a", "b"]})
    log.name("anna", "monocyte", "b", "c")
    log.add("anna", "cell_removed", {"cells": ["a"], "reason": "dirt"})
    log.add("ben", "cell_added", {"cell": cell_payload(NEW), "to": "basophil"})
    log.add("ben", "commented", {"text": "odd"})
    state = log.state
    assert (state.status, state.actor, state.at) == ("in review", "ben", "at 7")
    assert state.viewed == {"a", "b", "c", "p1"}
    assert state.reviewed_as == {"b": "monocyte", "c": "monocyte", "p1": "basophil"}
    assert state.removed == {"a"}
    assert (state.added, state.comment) == ((NEW,), "odd")
    assert (state.folder, state.n_cells, state.readers) == ("/x", 3, 1)
    log.add("anna", "cell_restored", {"cells": ["a"]})
    assert log.state.removed == frozenset()


def test_new_cells_get_names_of_their_own() -> None:
    log, cell = Log(), cell_payload(NEW)
    del cell["cell_id"]
    names = [log.add("a", "cell_added", {"cell": cell}).payload["cell"]["cell_id"] for _ in "ab"]
    assert names == ["p1", "p2"]
    log.add("a", "cell_removed", {"cells": ["p2"]})
    assert log.add("a", "cell_added", {"cell": cell}).payload["cell"]["cell_id"] == "p3"
    with pytest.raises(InputError, match="a cell p1 already"):
        log.add("a", "cell_added", {"cell": cell_payload(NEW)})


def test_a_cell_survives_its_payload() -> None:
    assert cell_of(normal(cell_payload(NEW))) == NEW


def test_what_a_cell_was_is_filled_in() -> None:
    log = Log()
    log.name("anna", "monocyte", "a")
    assert log.name("ben", "basophil", "a").payload["cells"] == {
        "a": {"from": "monocyte", "to": "basophil"}
    }


def test_undo_and_redo_by_hand() -> None:
    log = Log()
    assert not log.undo("anna")
    log.name("anna", "monocyte", "a", "b")
    log.name("anna", "basophil", "b")
    assert log.undo("anna")
    assert log.state.reviewed_as == {"a": "monocyte", "b": "monocyte"}
    assert log.undo("anna")
    assert log.state.reviewed_as == {}
    assert not log.undo("anna")
    assert log.redo("anna")
    assert log.redo("anna")
    assert not log.redo("anna")
    assert log.state.reviewed_as == {"a": "monocyte", "b": "basophil"}
    log.undo("anna")
    log.name("anna", "eosinophil", "c")
    assert not log.redo("anna"), "a new edit leaves nothing to do again"


def test_an_added_cell_is_undone_by_removing_it() -> None:
    log = Log()
    log.add("anna", "cell_added", {"cell": cell_payload(NEW), "to": "monocyte"})
    log.undo("anna")
    assert log.state.removed == {"p1"}
    assert log.state.reviewed_as == {"p1": "monocyte"}
    log.redo("anna")
    assert log.state.removed == frozenset()
    log.add("anna", "cell_removed", {"cells": ["p1", "a"]})
    log.undo("anna")
    assert log.state.removed == frozenset()


def test_each_undoes_their_own() -> None:
    log = Log()
    log.name("anna", "monocyte", "a")
    log.name("ben", "basophil", "b")
    log.undo("anna")
    assert log.state.reviewed_as == {"b": "basophil"}
    assert undo(log.state, "cleo") is None


def test_what_another_changed_since_stays() -> None:
    log = Log()
    log.name("anna", "eosinophil", "c")
    log.name("anna", "monocyte", "a", "b")
    log.name("ben", "basophil", "a")
    log.undo("anna")
    assert log.state.reviewed_as == {"a": "basophil", "c": "eosinophil"}, "b alone went back"
    log.name("ben", "lymphocyte", "c")
    assert not log.undo("anna")
    assert log.redo("anna")
    assert log.state.reviewed_as == {"a": "basophil", "b": "monocyte", "c": "lymphocyte"}


def test_a_removed_cell_can_t_be_named() -> None:
    log = Log()
    log.add("anna", "cell_removed", {"cells": ["a"]})
    with pytest.raises(Conflict) as found:
        log.name("anna", "monocyte", "a")
    assert found.value.theirs == {"a": "removed"}
    with pytest.raises(Conflict):
        log.add("anna", "cell_removed", {"cells": ["a"]})


def test_a_digest_is_of_everything_that_is_signed() -> None:
    log = Log()
    found = {digest(log.state)}
    log.add("anna", "looked_at", {"cells": ["a"]})
    found.add(digest(log.state))
    log.name("anna", "monocyte", "a")
    found.add(digest(log.state))
    log.add("anna", "cell_removed", {"cells": ["b"]})
    found.add(digest(log.state))
    log.add("anna", "cell_added", {"cell": cell_payload(NEW)})
    found.add(digest(log.state))
    log.add("anna", "commented", {"text": "x"})
    found.add(digest(log.state))
    for changes in ({"slide": "t"}, {"source_sha256": "b" * 64}, {"reopened": 1}):
        found.add(digest(replace(log.state, **changes)))
    assert len(found) == 9
    before = digest(log.state)
    log.add("ben", "opened", {})
    assert digest(log.state) == before


def sign(log: Log, actor: str, reader: int = 1, differs: int | None = None) -> Event:
    content = {
        "name": actor,
        "reader": reader,
        "statement": "I have looked.",
        "open": {"unidentified": 0, "not_looked_at": 0},
        "reason": "",
        "machine": {},
        "person": {},
        "sha256": digest(log.state, reader),
        "differs": differs,
    }
    return log.add(actor, "signed", content)


def test_cells_left_open_need_a_reason() -> None:
    log = Log()
    content = dict(sign(Log(), "anna").payload) | {"open": {"unidentified": 1, "not_looked_at": 0}}
    with pytest.raises(InputError, match="only for a reason"):
        log.add("anna", "signed", content)
    log.add("anna", "signed", content | {"reason": "smudged"})
    assert log.state.signatures[0].reason == "smudged"


def test_two_readers_sign_apart() -> None:
    log = Log(readers=2)
    assert log.state.reader_of("anna") == 1
    log.name("anna", "monocyte", "a")
    assert (log.state.reader_of("anna"), log.state.reader_of("ben")) == (1, 2)
    with pytest.raises(InputError, match="reading 1 is not for ben"):
        log.name("ben", "basophil", "a")
    log.name("ben", "basophil", "a", reader=2)
    assert log.state.reader_of("cleo") is None
    with pytest.raises(InputError, match="reading 2 is not for cleo"):
        log.name("cleo", "basophil", "a", reader=2)
    sign(log, "anna")
    assert log.state.status == "in review"
    with pytest.raises(Locked, match="reading 1 is signed"):
        log.name("anna", "basophil", "a")
    log.name("ben", "monocyte", "b", reader=2)
    sign(log, "ben", 2, 0)
    assert log.state.status == "signed"
    assert [one.actor for one in log.state.signatures] == ["anna", "ben"]


def test_a_third_decides() -> None:
    log = Log(readers=2)
    log.add("anna", "opened", {"reader": 1})
    with pytest.raises(InputError, match="reading 1 is not for ben"):
        log.add("ben", "opened", {"reader": 1})
    log.name("ben", "basophil", "a", reader=2)
    sign(log, "ben", 2)
    with pytest.raises(InputError, match="reading 3 is not for cleo"):
        log.name("cleo", "monocyte", "a", reader=3)
    sign(log, "anna", 1, 1)
    assert (log.state.status, log.state.awaits_third) == ("in review", True)
    assert log.state.reader_of("ben") == 2, "who read before does not decide"
    assert log.state.reader_of("cleo") == 3
    with pytest.raises(InputError, match="adds no cells"):
        log.add("cleo", "cell_added", {"cell": cell_payload(NEW), "reader": 3})
    log.name("cleo", "monocyte", "a", reader=3)
    assert log.undo("cleo", 3)
    assert log.redo("cleo", 3)
    sign(log, "cleo", 3)
    assert (log.state.status, log.state.awaits_third) == ("signed", False)
    log.add("anna", "reopened", {"reason": "again"})
    assert log.state.status == "in review"
    assert log.state.signatures == ()
    assert log.state.reader_of("ben") == 2


CELLS = st.lists(st.sampled_from("abcd"), min_size=1, max_size=3, unique=True)
TYPES = st.sampled_from(["monocyte", "basophil", "neutrophil", None])
ACTORS = st.sampled_from(["anna", "ben"])
MOVES = st.lists(
    st.one_of(
        st.tuples(st.just("name"), ACTORS, CELLS, TYPES),
        st.tuples(st.just("remove"), ACTORS, CELLS, TYPES),
        st.tuples(st.just("add"), ACTORS, CELLS, TYPES),
        st.tuples(st.just("undo"), ACTORS, CELLS, TYPES),
        st.tuples(st.just("redo"), ACTORS, CELLS, TYPES),
    ),
    max_size=15,
)


def play(moves: Any) -> Log:
    log, cell = Log(), cell_payload(NEW)
    del cell["cell_id"]
    for what, actor, cells, to in moves:
        try:
            if what == "name":
                log.name(actor, to, *cells)
            elif what == "remove":
                log.add(actor, "cell_removed", {"cells": cells})
            elif what == "add":
                log.add(actor, "cell_added", {"cell": cell, "to": to})
            else:
                (log.undo if what == "undo" else log.redo)(actor)
        except Conflict:
            continue
    return log


@given(MOVES, st.integers(0, 16))
def test_folding_on_is_folding_all(moves: Any, split: int) -> None:
    log = play(moves)
    part = fold(log.events[:split], SlideState("s"))
    assert fold(log.events[split:], part) == log.state


@given(MOVES, ACTORS)
def test_undo_and_then_redo_changes_nothing(moves: Any, actor: str) -> None:
    log = play(moves)
    before = seen(log.state)
    if log.undo(actor):
        assert log.redo(actor)
    assert seen(log.state) == before


@given(MOVES)
def test_undoing_all_that_one_did_alone_leaves_nothing(moves: Any) -> None:
    alone = [(what, "anna", cells, to) for what, _, cells, to in moves]
    log = play(alone)
    for _ in range(len(log.events)):
        log.undo("anna")
    named, removed, added = seen(log.state)
    assert removed == set(added)
    assert set(named) <= set(added)


@given(MOVES)
def test_an_undo_is_always_let_in(moves: Any) -> None:
    log = play(moves)
    for actor in ("anna", "ben"):
        log.undo(actor)
        log.redo(actor)


@pytest.mark.parametrize("note", ["", "not sure enough", "not classified: no model", "ééé"])
def test_a_note_is_a_code_where_it_is_one_of_the_machine_s(note: str) -> None:
    cell = cell_of({**normal(cell_payload(NEW)), "note": note})
    assert str(cell.note) == note
    assert isinstance(cell.note, CellNote) == (note in {str(one) for one in CellNote})
    assert normal(cell_payload(cell))["note"] == note
