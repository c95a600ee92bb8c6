"""A slide's scale is read from its red cells, whatever the scale is, else from its white cells."""

from pathlib import Path

import numpy as np
import pytest

from leukodiff.core.boxes import area
from leukodiff.datasets.images import read_rgb
from leukodiff.datasets.registry import load_dataset
from leukodiff.detector.infer import Detector
from leukodiff.detector.letterbox import resized
from leukodiff.detector.scale import (
    SCALES_UM_PER_PX,
    WHITE_CELL_BOX_UM,
    ScaleEstimate,
    estimate_um_per_px,
)
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


WORKING = 0.26
"""Scale (um/px) at which the detector of discs is as sure of white as of red cells."""


def single_cells(
    draw, um_per_px: float, n: int = 8, red_cells: tuple[tuple[float, float, float], ...] = ()
) -> list[np.ndarray]:
    """Pictures of a white cell each, 20 um wide; `red_cells` are (x, y, diameter) in um."""
    side, random = round(20 / um_per_px), np.random.default_rng(0)
    others = [(1, *(int(value / um_per_px) for value in one)) for one in red_cells]
    diameters = (WHITE_CELL_BOX_UM * random.uniform(0.9, 1.1, n) / um_per_px).astype(int)
    return [draw([(0, side // 2, side // 2, int(one)), *others], side, side) for one in diameters]


@pytest.mark.parametrize("um_per_px", [0.06, 0.1, 0.17, 0.25])
@pytest.mark.parametrize("guess", [None, 0.15])
def test_white_cells_alone(discs, draw, um_per_px: float, guess: float | None) -> None:
    estimate = estimate_um_per_px(discs(um_per_px=WORKING), single_cells(draw, um_per_px), guess)
    assert estimate is not None
    assert estimate.um_per_px == pytest.approx(um_per_px, rel=0.08)
    assert (estimate.n_cells, estimate.measured_on) == (8, "white_cell")


def test_too_few_white_cells(discs, draw) -> None:
    assert estimate_um_per_px(discs(um_per_px=WORKING), single_cells(draw, 0.1, n=3)) is None


@pytest.mark.parametrize(
    ("red_um", "measured_on"),
    [
        pytest.param(7.5, "red_cell", id="they agree"),
        pytest.param(3.0, "white_cell", id="platelets taken for red cells"),
    ],
)
def test_white_cells_overrule_hardly_any_red_cells(
    discs, draw, red_um: float, measured_on: str
) -> None:
    fields = [
        *single_cells(draw, 0.05, n=6, red_cells=((4.5, 4.5, red_um),)),
        *single_cells(draw, 0.05, n=2),
    ]
    estimate = estimate_um_per_px(discs(um_per_px=WORKING), fields)
    assert estimate is not None
    assert estimate.measured_on == measured_on
    assert estimate.um_per_px == pytest.approx(0.05, rel=0.08)


def test_white_cells_cost_nothing_where_red_cells_suffice(discs, draw) -> None:
    shapes: list[tuple[int, ...]] = []
    fields = smear(draw, 0.1875, n_fields=4, side=250)
    estimate = estimate_um_per_px(counting(discs, shapes), fields, 0.1875)
    assert estimate is not None
    assert (estimate.measured_on, len(shapes)) == ("red_cell", 1)


@pytest.mark.data
@pytest.mark.slow
def test_single_cells_of_a_laboratory(data_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sixteen cells of TXL-PBC, each cut out 18 um wide, as an analyzer exports them."""
    monkeypatch.setenv("LEUKODIFF_DATA", str(data_root))
    side, pictures = 173, []
    for field in (one for one in load_dataset("txl_pbc") if one.split == "train"):
        chosen = [name not in ("red_cell", "platelet") for name in field.cell_types]
        for box in field.xyxy[chosen]:
            left, top = ((box[:2] + box[2:] - side) / 2).astype(int)
            cut = read_rgb(field.path)[max(0, top) : top + side, max(0, left) : left + side]
            if cut.shape[:2] == (side, side) and area(box[None])[0] < (0.9 * side) ** 2:
                pictures.append(resized(cut, 130, 130))
    um_per_px = 0.104 * side / 130
    estimate = estimate_um_per_px(Detector.load(threads=1), pictures[:16:2])
    assert estimate is not None
    assert estimate.measured_on == "white_cell"
    assert estimate.um_per_px == pytest.approx(um_per_px, rel=0.2)
