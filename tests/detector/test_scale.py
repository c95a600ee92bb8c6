"""A slide's scale is read from its red cells, whatever the scale is."""

import numpy as np
import pytest

from leukodiff.detector.scale import SCALES_UM_PER_PX, ScaleEstimate, estimate_um_per_px
from leukodiff.runtime.model import Outputs


def smear(draw, um_per_px: float, n_fields: int = 3, side: int = 900) -> list[np.ndarray]:
    """Fields of red cells in rows, 7.5 um wide give or take 10 %."""
    diameter = 7.5 / um_per_px
    random = np.random.default_rng(0)
    centers = np.arange(diameter, side - diameter / 2, diameter * 1.4)
    return [
        draw(
            [
                (1, int(x), int(y), int(diameter * random.uniform(0.9, 1.1)))
                for x in centers
                for y in centers
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


def counting(discs, shapes: list[tuple[int, ...]]):
    """The detector of discs; notes what it is given."""

    def run(images: np.ndarray) -> Outputs:
        shapes.append(images.shape)
        predictions: Outputs = discs().model.outputs(images)
        return predictions

    return discs(run)


@pytest.mark.parametrize(
    ("side", "shape", "calls"),
    [
        pytest.param(900, (4, 256, 256, 3), 4, id="two in each, no gray round them"),
        pytest.param(250, (4, 288, 288, 3), 2, id="whole fields, gray round them"),
        pytest.param(256, (4, 288, 288, 3), 2, id="on the border"),
        pytest.param(257, (4, 256, 256, 3), 2, id="just larger: there is room for one"),
        pytest.param(511, (4, 256, 256, 3), 2, id="still one"),
        pytest.param(512, (4, 256, 256, 3), 4, id="room for more"),
    ],
)
def test_probes_of_one_size_go_together(
    discs, draw, side: int, shape: tuple[int, ...], calls: int
) -> None:
    shapes: list[tuple[int, ...]] = []
    fields = smear(draw, 0.1875, n_fields=8, side=side)
    assert estimate_um_per_px(counting(discs, shapes), fields, 0.1875) is not None
    assert shapes == [shape] * calls


def test_fields_of_different_sizes(discs, draw) -> None:
    shapes: list[tuple[int, ...]] = []
    fields = [*smear(draw, 0.1875, side=250), *smear(draw, 0.1875, side=900)]
    assert estimate_um_per_px(counting(discs, shapes), fields, 0.1875, probes=6) is not None
    assert shapes == [(3, 288, 288, 3), (3, 256, 256, 3)]


@pytest.mark.parametrize(("probes", "n"), [(1, 1), (4, 4), (16, 9), (0, 1)])
def test_a_single_large_field_is_probed_in_several_places(discs, draw, probes: int, n: int) -> None:
    shapes: list[tuple[int, ...]] = []
    fields = smear(draw, 0.1875, n_fields=1, side=900)
    estimate = estimate_um_per_px(counting(discs, shapes), fields, 0.1875, probes=probes)
    assert estimate is not None
    assert estimate.um_per_px == pytest.approx(0.1875, rel=0.08)
    assert sum(shape[0] for shape in shapes) == n


def test_threads_change_nothing(discs, draw) -> None:
    fields = smear(draw, 0.1, n_fields=8)
    one, two = (estimate_um_per_px(discs(), fields, threads=n) for n in (1, 2))
    assert one == two


def test_the_order_of_fields_does_not_matter(discs, draw) -> None:
    fields = smear(draw, 0.1, n_fields=2)
    one, other = (estimate_um_per_px(discs(), some) for some in (fields, fields[::-1]))
    assert one == other


def test_the_scales_span_microscopes() -> None:
    assert SCALES_UM_PER_PX[0] <= 0.03
    assert SCALES_UM_PER_PX[-1] >= 0.99
