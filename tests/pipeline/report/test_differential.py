import pytest
from hypothesis import given
from hypothesis import strategies as st

from leukodiff.datasets.vocabulary import BY_NAME
from leukodiff.pipeline.report.differential import COUNTED, differential


def test_a_differential_worked_out_by_hand() -> None:
    cells = ["neutrophil"] * 6 + ["lymphocyte"] * 3 + ["eosinophil"]
    found = differential([*cells, "erythroblast", "unidentified", "unidentified", "platelet"])
    rows = {row.cell_type: row for row in found.rows}
    assert found.n == 10
    assert (rows["neutrophil"].count, rows["neutrophil"].percent) == (6, 60.0)
    assert (rows["lymphocyte"].percent, rows["eosinophil"].percent) == (30.0, 10.0)
    assert (rows["basophil"].count, rows["basophil"].percent) == (0, 0.0)
    # Clopper-Pearson limits of 6 in 10 and of 0 in 10, from printed tables.
    assert rows["neutrophil"].percent_low == pytest.approx(26.24, abs=0.01)
    assert rows["neutrophil"].percent_high == pytest.approx(87.84, abs=0.01)
    assert rows["basophil"].percent_low == 0.0
    assert rows["basophil"].percent_high == pytest.approx(30.85, abs=0.01)
    assert (rows["erythroblast"].count, rows["erythroblast"].percent) == (1, None)
    assert (rows["unidentified"].count, rows["unidentified"].percent_low) == (2, None)
    assert (rows["platelet"].count, rows["platelet"].percent) == (1, None)
    nucleated, ratio = found.erythroblasts_per_100_wbc, found.neutrophil_lymphocyte_ratio
    assert nucleated is not None
    assert nucleated.value == pytest.approx(10.0)
    assert ratio is not None
    assert ratio.value == pytest.approx(2.0)
    # Two cells of twelve are not named: 6 to 8 of them may be neutrophils.
    assert rows["neutrophil"].unidentified_bounds == pytest.approx((50.0, 100 * 8 / 12))
    assert found.n_unidentified == 2


@pytest.mark.parametrize(
    ("cells", "n", "per_100", "ratio"),
    [
        pytest.param([], 0, None, None, id="empty"),
        pytest.param(["unidentified"], 0, None, None, id="none named"),
        pytest.param(["erythroblast"], 0, None, None, id="no white cell"),
        pytest.param(["lymphocyte"], 1, 0.0, 0.0, id="one"),
        pytest.param(["neutrophil"], 1, 0.0, None, id="no lymphocyte"),
        pytest.param(["immature_granulocyte", "erythroblast"], 1, 100.0, None, id="as many"),
    ],
)
def test_small_differentials(
    cells: list[str], n: int, per_100: float | None, ratio: float | None
) -> None:
    found = differential(cells)
    nucleated, both = found.erythroblasts_per_100_wbc, found.neutrophil_lymphocyte_ratio
    assert (found.n, nucleated and nucleated.value) == (n, per_100)
    assert (both and both.value) == ratio
    assert [row.cell_type for row in found.rows][: len(COUNTED)] == list(COUNTED)
    assert all((row.percent is None) == (n == 0) for row in found.rows[: len(COUNTED)])


def test_the_interval_is_the_one_asked_for() -> None:
    cells = ["neutrophil"] * 60 + ["lymphocyte"] * 40
    widths = {
        method: row.percent_high - row.percent_low
        for method in ("exact", "wilson", "simultaneous")
        for row in differential(cells, method).rows[:1]
        if row.percent_high is not None and row.percent_low is not None
    }
    assert widths["wilson"] < widths["exact"] < widths["simultaneous"]


def test_a_name_outside_the_vocabulary_is_refused() -> None:
    with pytest.raises(ValueError, match="blast"):
        differential(["blast", "neutrophil"])


@given(st.lists(st.sampled_from(list(BY_NAME)), max_size=60))
def test_order_does_not_matter_and_shares_add_up(cells: list[str]) -> None:
    shuffled = sorted(cells, reverse=True)
    found = differential(cells)
    assert differential(shuffled) == found
    shares = [row.percent for row in found.rows if row.percent is not None]
    assert sum(shares) == pytest.approx(100 if found.n else 0)
    for row in found.rows:
        if row.percent is not None:
            assert row.percent_low is not None
            assert row.percent_high is not None
            assert 0 <= row.percent_low <= row.percent <= row.percent_high <= 100
