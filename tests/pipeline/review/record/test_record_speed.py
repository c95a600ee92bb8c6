"""A slide with 20,000 events is as quick to work on as any."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from leukodiff.pipeline.review.record import Record
from leukodiff.pipeline.review.record.event_log import insert_event
from leukodiff.pipeline.review.record.events import Event, hash_of
from leukodiff.pipeline.review.record.replay import fold
from leukodiff.pipeline.review.record.worklist import write_row

pytestmark = pytest.mark.slow

MANY = 20_000
CELLS = 5_000
TYPES = ("monocyte", "basophil", "neutrophil")


def fill(record: Record) -> None:
    """Events as two people would make them, all in one transaction."""
    named: dict[str, str] = {}
    made = record.events()
    with record.database.writing() as (connection, number, last):
        for i in range(MANY):
            cell, to = f"c{i % CELLS}", TYPES[(i // CELLS) % 3]
            content = {"cells": {cell: {"from": named.get(cell), "to": to}}}
            named[cell] = to
            facts = ("smear 1", i + 2, "anna" if i % 2 else "ben", "now", "reclassified", content)
            event = Event(number + 1, *facts, last, "")
            event = Event(**vars(event) | {"hash": hash_of(event)})
            insert_event(connection, event)
            number, last = event.number, event.hash
            made.append(event)
        write_row(connection, fold(made))


def test_20000_events(record: Record, slide: str, to: Callable[..., Any]) -> None:
    fill(record)
    began = time.process_time()  # the processor's time: other work on the machine does not count
    state = record.state(slide)
    assert time.process_time() - began < 5.0
    assert (state.version, len(state.reviewed_as)) == (MANY + 1, CELLS)
    began = time.process_time()
    for i in range(20):
        record.append(slide, "anna", "reclassified", to("eosinophil", f"c{i}"), MANY + 1)
    assert (time.process_time() - began) / 20 < 0.1
    assert record.verify() == []
