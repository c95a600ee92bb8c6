"""State of a child by its messages, and what a crash of it leaves known."""

from collections.abc import Sequence

import pytest

from leukodiff.pipeline.runs.crash_log import WAITING, CrashLog, UnderWay, Work

A: Work = ("s1", "a.png")
B: Work = ("s2", "b.png")
SLIDE: Work = ("s1", "")

Sent = tuple[float, list[object]]
"""A time (s), and a message."""


def begin(now: float, number: int, thread: int, work: Work) -> Sent:
    return now, ["begin", number, thread, *work]


def step(now: float, number: int) -> Sent:
    return now, ["step", number]


def end(now: float, number: int) -> Sent:
    return now, ["end", number]


def state_after(*sent: Sent) -> UnderWay:
    state = UnderWay()
    for now, message in sent:
        state.receive(message, now)
    return state


@pytest.mark.parametrize(
    ("sent", "busy", "late"),
    [
        pytest.param([], [], None, id="nothing is under way"),
        pytest.param([begin(0, 0, 1, A)], [A], A, id="one field"),
        pytest.param([begin(0.5, 0, 1, A)], [A], None, id="to the second within the limit"),
        pytest.param([begin(0, 0, 1, A), end(1, 0)], [], None, id="one that has ended"),
        pytest.param([begin(0, 0, 1, A), step(5, 0)], [A], None, id="one that gets on"),
        pytest.param([step(5, 0), end(6, 0)], [], None, id="of a number that was never begun"),
        pytest.param(
            [begin(0, 0, 1, SLIDE), begin(5, 1, 1, A)],
            [A],
            None,
            id="the innermost counts: the slide waits for its field",
        ),
        pytest.param(
            [begin(0, 0, 1, SLIDE), begin(0.1, 1, 1, A)], [A], A, id="and is the one to blame"
        ),
        pytest.param(
            [begin(0, 0, 1, SLIDE), begin(0.1, 1, 1, A), end(5, 1)],
            [SLIDE],
            None,
            id="with its field the slide has got on",
        ),
        pytest.param(
            [begin(0, 0, 1, A), begin(5, 1, 2, B), end(6, 1)],
            [A],
            A,
            id="another thread's end is no step",
        ),
        pytest.param(
            [begin(0.2, 0, 1, A), begin(0.1, 1, 2, B)], [A, B], B, id="of two, who is later"
        ),
        pytest.param(
            [begin(0, 0, 1, A), begin(0, 1, 1, WAITING), begin(0.4, 2, 2, B)],
            [A, B],
            B,
            id="who waits for others is not late, but was under way",
        ),
        pytest.param(
            [begin(0, 0, 1, A), begin(0, 1, 1, WAITING), begin(5, 2, 2, B)],
            [A, B],
            None,
            id="nor are those who do the work",
        ),
        pytest.param(
            [begin(0, 0, 1, A), begin(0, 1, 1, WAITING), end(5, 1)],
            [A],
            None,
            id="who has waited begins anew",
        ),
    ],
)
def test_what_is_under_way_after_ten_and_a_half_seconds(
    sent: Sequence[Sent], busy: list[Work], late: Work | None
) -> None:
    state = state_after(*sent)
    assert [one.work for one in state.innermost()] == busy
    assert state.too_long(10.5, limit_s=10) == late


@pytest.mark.parametrize(
    ("sent", "due"),
    [
        pytest.param([], None, id="nothing is under way"),
        pytest.param([begin(3, 0, 1, A), begin(2, 1, 2, B)], 12, id="the soonest"),
        pytest.param([begin(3, 0, 1, A), step(4, 0)], 14, id="from its last step on"),
        pytest.param([begin(3, 0, 1, A), begin(4, 1, 1, WAITING)], None, id="who waits may"),
    ],
)
def test_when_something_may_be_late(sent: Sequence[Sent], due: float | None) -> None:
    assert state_after(*sent).next_check(limit_s=10) == due


@pytest.mark.parametrize(
    ("deaths", "failed_items", "suspects"),
    [
        pytest.param([], {}, set(), id="none"),
        pytest.param([[]], {}, set(), id="nothing was under way"),
        pytest.param([[A]], {A: "death 0"}, {"s1"}, id="one alone is to blame"),
        pytest.param([[A, A]], {A: "death 0"}, {"s1"}, id="so are many threads at one scan"),
        pytest.param([[A, B]], {}, {"s1", "s2"}, id="of two, both are suspects"),
        pytest.param([[A, SLIDE]], {}, {"s1"}, id="two of one slide"),
        pytest.param([[A, B], [B]], {B: "death 1"}, {"s1", "s2"}, id="then one was it"),
        pytest.param([[A], [B]], {A: "death 0", B: "death 1"}, {"s1", "s2"}, id="one, the other"),
    ],
)
def test_failed_items_and_suspects_after_crashes(
    deaths: Sequence[Sequence[Work]], failed_items: dict[Work, str], suspects: set[str]
) -> None:
    known = CrashLog()
    for i, busy in enumerate(deaths):
        known = known.after(busy, f"death {i}")
    assert known.failed_items == failed_items
    assert known.suspects == suspects


def test_what_takes_too_long_has_failed_and_its_slide_comes_last() -> None:
    known = CrashLog().after([A, B], "a death").with_failure(A, "no answer")
    assert known.failed_items == {A: "no answer"}
    assert known.suspects == {"s1", "s2"}


def test_time_counts_anew_where_nobody_has_listened_for_a_while() -> None:
    state = state_after(begin(0, 0, 1, A))
    state.restart(10)
    assert state.too_long(15, limit_s=10) is None
    assert state.too_long(20.5, limit_s=10) == A
