from collections.abc import Callable
from pathlib import Path

import pytest

from leukodiff.pipeline.comparison.cells import (
    TypeAgreement,
    cohens_kappa,
    compare_cells,
    match_cells,
)
from leukodiff.pipeline.comparison.formatting import agreement_sentences
from leukodiff.pipeline.comparison.readings import ReadCell, Reading

Make = Callable[..., ReadCell]


def matched(a: list[ReadCell], b: list[ReadCell]) -> list[tuple[str, str]]:
    return [(pair.a.cell_type, pair.b.cell_type) for pair in match_cells(a, b)]


@pytest.mark.parametrize(
    ("shift", "found"),
    [
        pytest.param(0, True, id="the same box"),
        pytest.param(3.3, True, id="IoU 6.7 / 13.3, just over half"),
        pytest.param(10 / 3, True, id="IoU of half"),
        pytest.param(3.5, False, id="IoU 6.5 / 13.5, just under half"),
        pytest.param(50, False, id="elsewhere"),
    ],
)
def test_boxes_that_overlap_are_one_cell(cell: Make, shift: float, found: bool) -> None:
    pairs = match_cells([cell("basophil", 0, "1")], [cell("monocyte", shift, "2")])
    assert bool(pairs) is found


def test_the_same_cell_id_is_the_same_cell_where_the_boxes_touch(cell: Make) -> None:
    a = [cell("basophil", 0, "1")]
    assert matched(a, [cell("monocyte", 8, "1")]) == [("basophil", "monocyte")]
    assert matched(a, [cell("monocyte", 80, "1")]) == []
    assert matched(a, [cell("monocyte", None, "1")]) == [("basophil", "monocyte")]
    assert matched([cell("basophil", None)], [cell("monocyte", None)]) == []


def test_only_within_a_field(cell: Make) -> None:
    assert matched([cell("basophil", field="f")], [cell("basophil", field="g")]) == []


def test_one_to_one_and_the_nearest_first(cell: Make) -> None:
    a = [cell("neutrophil", 0), cell("monocyte", 2)]
    b = [cell("basophil", 2)]
    assert matched(a, b) == [("monocyte", "basophil")]
    assert matched(b, a) == [("basophil", "monocyte")]
    assert matched(a, []) == matched([], a) == []


def test_order_does_not_matter(cell: Make) -> None:
    a = [cell("neutrophil", 20 * i) for i in range(300)]
    b = [cell("monocyte", 20 * i + 1) for i in reversed(range(300))]
    assert len(match_cells(a, b)) == 300
    assert all(pair.iou == pytest.approx(9 / 11, abs=1e-3) for pair in match_cells(a, b))


def test_kappa_by_hand() -> None:
    """Of 50: 20 and 15 agreed, so 0.7; by chance 0.5 x 0.6 + 0.5 x 0.4 = 0.5; kappa 0.2 / 0.5."""
    names = [("y", "y")] * 20 + [("y", "n")] * 5 + [("n", "y")] * 10 + [("n", "n")] * 15
    kappa, low, high = cohens_kappa(names)
    assert kappa == pytest.approx(0.4)
    assert low is not None
    assert high is not None
    # Fleiss, Cohen and Everitt 1969, term by term: A says y in 0.5, B in 0.6
    of_agreed = 0.4 * (0.5 - 1.1 * 0.3) ** 2 + 0.3 * (0.5 - 0.9 * 0.3) ** 2
    of_others = 0.3**2 * (0.1 * (0.6 + 0.5) ** 2 + 0.2 * (0.4 + 0.5) ** 2)
    variance = (of_agreed + of_others - (0.7 * 0.5 - 2 * 0.5 + 0.7) ** 2) / (50 * 0.5**4)
    assert (high - low) / 2 / 1.959964 == pytest.approx(variance**0.5)
    assert cohens_kappa([(b, a) for a, b in names])[0] == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("names", "kappa"),
    [
        pytest.param([], None, id="no cell"),
        pytest.param([("a", "a")] * 9, None, id="one name"),
        pytest.param([("a", "a"), ("b", "b")], 1.0, id="all agree"),
        pytest.param([("a", "b"), ("b", "a")], -1.0, id="none agrees"),
        pytest.param([("a", "b")], 0.0, id="one cell, two names"),
    ],
)
def test_kappa_at_its_borders(names: list[tuple[str, str]], kappa: float | None) -> None:
    found, low, high = cohens_kappa(names)
    assert found == (None if kappa is None else pytest.approx(kappa))
    assert all(one is None or -1 <= one <= 1 for one in (low, high))


def test_agreement_by_hand(cell: Make) -> None:
    words = [("neutrophil", "neutrophil")] * 3 + [("monocyte", "neutrophil"), ("monocyte", "?")]
    a = [cell(one, 20 * i) for i, (one, _) in enumerate(words)]
    b = [cell({"?": "unidentified"}.get(one, one), 20 * i) for i, (_, one) in enumerate(words)]
    found = compare_cells([*a, cell("basophil", 900)], b)
    assert (len(found.pairs), found.only_a, found.only_b) == (5, 1, 0)
    assert (len(found.named), found.agreed) == (4, 3)
    assert found.share is not None
    assert found.share[0] == 0.75
    neutrophil, monocyte = found.types
    assert (neutrophil.n_a, neutrophil.n_b, neutrophil.both) == (3, 4, 3)
    assert neutrophil.agreement == pytest.approx(6 / 7)
    assert monocyte.agreement == 0
    assert monocyte.p == neutrophil.p == 1  # one cell of which they differ
    assert found.confusion["monocyte", "unidentified"] == 1
    assert sum(found.confusion.values()) == 5


def test_one_reader_is_readier_with_a_name() -> None:
    """Six cells only A calls so, none only B: 2 / 2^6."""
    assert TypeAgreement("monocyte", 10, 4, 4).p == pytest.approx(2 / 64)
    assert TypeAgreement("monocyte", 4, 4, 4).p is None


def test_no_cell_at_all() -> None:
    found = compare_cells([], [])
    assert (found.share, found.kappa, found.types, found.agreed) == (None, None, (), 0)


def test_sentences(cell: Make) -> None:
    cells = [cell("neutrophil", 0), cell("monocyte", 20), cell("monocyte", 40)]
    reading = Reading.of_cells(Path("cells.csv"), "s", cells)
    lines = agreement_sentences(compare_cells(cells, cells), reading, reading)
    assert lines[1].startswith(
        "Of 3 that both named they agree on 3: 100.0 % (29.2-100.0); kappa 1"
    )
    far = [cell("neutrophil", 500 + 20 * i) for i in range(3)]
    other = Reading.of_cells(Path("cells.csv"), "s", far)
    lines = agreement_sentences(compare_cells(cells, far), reading, other)
    assert "no agreement to measure" in lines[-1]
    some = [cells[0], *far]
    lines = agreement_sentences(compare_cells(cells, some), reading, other)
    assert "are these the same fields?" in lines[-1]
    assert "kappa is not defined" in lines[1]
