"""A slide's scale is read from its red cells, whatever the scale is."""

import numpy as np
import pytest

from leukodiff.detector.scale import LADDER, ScaleEstimate, estimate_um_per_px


def smear(draw, um_per_px: float, n_fields: int = 3, side: int = 900) -> list[np.ndarray]:
    """Fields of red cells in rows, 7.5 um wide give or take 10 %."""
    diameter = 7.5 / um_per_px
    random = np.random.default_rng(0)
    centres = np.arange(diameter, side - diameter / 2, diameter * 1.4)
    return [
        draw(
            [
                (1, int(x), int(y), int(diameter * random.uniform(0.9, 1.1)))
                for x in centres
                for y in centres
            ],
            side,
            side,
        )
        for _ in range(n_fields)
    ]


@pytest.mark.parametrize("um_per_px", [0.05, 0.073, 0.1, 0.146, 0.22, 0.4])
def test_any_scale_is_found(discs, draw, um_per_px: float) -> None:
    estimate = estimate_um_per_px(discs(), smear(draw, um_per_px))
    assert estimate is not None
    assert estimate.um_per_px == pytest.approx(um_per_px, rel=0.08)
    assert 0 <= estimate.spread < 0.2
    assert estimate.n_cells > 10


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param([], id="no fields"),
        pytest.param([np.full((200, 200, 3), 255, np.uint8)], id="no cells"),
        pytest.param([np.zeros((1, 1, 3), np.uint8)], id="one pixel"),
    ],
)
def test_nothing_to_measure(discs, fields) -> None:
    assert estimate_um_per_px(discs(), fields) is None


def test_too_few_red_cells(discs, draw) -> None:
    assert estimate_um_per_px(discs(), [draw([(1, 100, 100, 40), (0, 200, 100, 60)])]) is None


def test_cells_cut_by_the_edge_are_not_measured(discs, draw) -> None:
    field = draw([(1, x, y, 40) for x in (60, 130, 200) for y in (70, 150)] + [(1, 0, 120, 40)])
    estimate = estimate_um_per_px(discs(), [field])
    assert estimate is not None
    assert estimate.n_cells == 6


@pytest.mark.parametrize("guess", [pytest.param(0.15, id="good"), pytest.param(0.9, id="far off")])
def test_a_guess_changes_the_work_and_not_the_answer(discs, draw, guess: float) -> None:
    fields = smear(draw, 0.146)
    alone = estimate_um_per_px(discs(), fields)
    guided = estimate_um_per_px(discs(), fields, guess_um_per_px=guess)
    assert isinstance(alone, ScaleEstimate)
    assert isinstance(guided, ScaleEstimate)
    assert guided.um_per_px == pytest.approx(alone.um_per_px, rel=0.05)


def test_the_order_of_fields_does_not_matter(discs, draw) -> None:
    fields = smear(draw, 0.1, n_fields=2)
    one, other = (estimate_um_per_px(discs(), some) for some in (fields, fields[::-1]))
    assert one == other


def test_the_ladder_spans_microscopes() -> None:
    assert LADDER[0] <= 0.03
    assert LADDER[-1] >= 0.99
