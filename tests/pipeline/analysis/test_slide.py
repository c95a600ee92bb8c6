from collections.abc import Callable
from itertools import permutations
from pathlib import Path

import pytest

from leukodiff.pipeline.analysis import FieldPixels, ReadingSettings, SlideAnalysis
from leukodiff.pipeline.analysis.models import Models
from leukodiff.pipeline.analysis.slide import TargetCells
from leukodiff.pipeline.slides.discover import find_slides


@pytest.mark.parametrize(
    ("counts", "target", "last"),
    [
        pytest.param([2, 0, 3, 1], 5, 2, id="in the middle"),
        pytest.param([2, 0, 3, 1], 4, 2, id="more than target_cells"),
        pytest.param([2, 0, 3, 1], 1, 0, id="in the first"),
        pytest.param([2, 0, 3, 1], 6, 3, id="in the last"),
        pytest.param([2, 0, 3, 1], 7, None, id="too few"),
        pytest.param([0, 0, 0, 0], 1, None, id="none"),
        pytest.param([1], 1, 0, id="one field"),
    ],
)
def test_what_counts_does_not_depend_on_the_order_they_end_in(
    counts: list[int], target: int, last: int | None
) -> None:
    expected = list(range(len(counts) if last is None else last + 1))
    for order in permutations(range(len(counts))):
        target_cells = TargetCells(target)
        counted = [index for i in order for index in target_cells.ended(i, counts[i])]
        assert counted == expected
        assert target_cells.last == last
        assert [i for i in range(len(counts)) if target_cells.wants(i)] == expected


def test_without_a_target_each_field_counts_at_once() -> None:
    target_cells = TargetCells()
    assert [target_cells.ended(i, 100) for i in (2, 0, 1)] == [[2], [0], [1]]
    assert target_cells.wants(10**6)


def test_a_slide_is_analyzed_without_a_file_written(
    tmp_path: Path, smear: Callable[..., Path], models: Models
) -> None:
    folder = smear(a=("neutrophil", "red_cell"), b=("lymphocyte",), c=("neutrophil",))
    (folder / "b.png").write_bytes(b"not an image")
    before = sorted(tmp_path.rglob("*"))
    (slide,) = find_slides([folder])
    analysis = SlideAnalysis(slide, models, ReadingSettings(target_cells=1))
    for index, field in enumerate(slide.fields):
        if analysis.wants(index):
            outcome = analysis.field(field)
            assert isinstance(outcome.pixels, FieldPixels)
            assert analysis.add(index, outcome) == [0]
    assert analysis.scale is not None
    statuses = [outcome.result.status for outcome in analysis.outcomes()]
    assert statuses == ["done", "not_read", "not_read"]
    assert [cell.cell_type for cell in analysis.outcomes()[0].cells] == ["neutrophil"]
    assert analysis.outcomes()[0].pixels is None, "pixels are not kept"
    unreadable = analysis.field(slide.fields[1])
    assert (unreadable.result.status, unreadable.unreadable) == ("failed", True)
    assert sorted(tmp_path.rglob("*")) == before
