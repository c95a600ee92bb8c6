import numpy as np
import pytest

from leukodiff.datasets.phantom import PhantomSettings, anatomy, place

KINDS = ("neutrophil", "lymphocyte", "monocyte", "eosinophil", "basophil")
SETTINGS = PhantomSettings(
    width=1600, height=1200, n_white=25, differential=dict.fromkeys(KINDS, 1.0), seed=7
)


@pytest.fixture(scope="module")
def placed():
    return place(SETTINGS)


def test_the_mask_of_a_cell_fills_its_box(placed):
    for index in range(25):
        found = anatomy(placed, index)
        rows, columns = np.nonzero(found.cell)
        ends = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
        box = (np.array(ends) + [found.left, found.top] * 2) * found.um_per_px
        assert box == pytest.approx(placed.boxes_um()[index], abs=0.6)  # its edge is nibbled
        assert not (found.nucleus & ~found.cell).any()


def test_areas_do_not_depend_on_the_scale(placed):
    for index in range(10):
        fine, coarse = anatomy(placed, index, 0.04), anatomy(placed, index, 0.1)
        assert fine.cell_um2 == pytest.approx(coarse.cell_um2, rel=0.02)
        assert fine.nucleus_um2 == pytest.approx(coarse.nucleus_um2, rel=0.04)
        assert fine.lobes == coarse.lobes


def test_lobes_are_those_of_the_cell_type(placed):
    lobes = {kind: set[int]() for kind in KINDS}
    for index in range(25):
        lobes[placed.cell_types[index]].add(anatomy(placed, index).lobes)
    assert lobes["lymphocyte"] == lobes["monocyte"] == {1}
    assert lobes["eosinophil"] <= {2, 3}
    assert lobes["neutrophil"] <= {1, 2, 3, 4, 5}
    assert max(lobes["neutrophil"]) >= 3
