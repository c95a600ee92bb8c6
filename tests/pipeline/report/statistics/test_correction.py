from collections.abc import Mapping

import numpy as np
import pytest

from leukodiff.datasets.vocabulary import CLASSIFIER_CLASSES, UNIDENTIFIED
from leukodiff.pipeline.report.differential import COUNTED
from leukodiff.pipeline.report.statistics import Confusion, Estimate, corrected_shares, obstacle

TWO = ("neutrophil", "lymphocyte")
EVERY = (*CLASSIFIER_CLASSES, UNIDENTIFIED)
NORMAL = {"neutrophil": 120, "lymphocyte": 60, "monocyte": 12, "eosinophil": 6, "basophil": 2}


def perfect(cells: int = 1000) -> Confusion:
    return Confusion(CLASSIFIER_CLASSES, EVERY, cells * np.eye(8, 9, dtype=np.int64))


def two(*rows: tuple[int, int]) -> Confusion:
    return Confusion(TWO, TWO, np.array(rows))


def found(named: Mapping[str, int], confusion: Confusion, seed: int = 0) -> dict[str, Estimate]:
    shares = corrected_shares(
        named, confusion, [t for t in COUNTED if t in confusion.true_types], seed
    )
    assert shares is not None
    return shares


def test_a_classifier_without_errors_leaves_the_raw_shares() -> None:
    shares = found(NORMAL, perfect(100_000))
    assert list(shares) == list(COUNTED)
    for name, share in shares.items():
        raw = NORMAL.get(name, 0) / 2
        assert share.value == pytest.approx(raw, abs=0.6)
        assert share.low <= raw <= share.high
    assert shares["immature_granulocyte"].low == 0


@pytest.mark.parametrize(
    ("confusion", "named", "percent"),
    [
        # 0.9 p + 0.2 (1 - p) = named / n, hence p = (named / n - 0.2) / 0.7.
        pytest.param(two((900, 100), (200, 800)), (550, 450), 50.0, id="half and half"),
        pytest.param(two((900, 100), (200, 800)), (760, 240), 80.0, id="most neutrophils"),
        pytest.param(two((990, 10), (300, 700)), (645, 355), 50.0, id="one type mostly wrong"),
        pytest.param(two((1000, 0), (0, 1000)), (300, 700), 30.0, id="no error"),
        # 20 % named without any: all are errors.
        pytest.param(two((900, 100), (200, 800)), (200, 800), 0.0, id="none but by error"),
    ],
)
def test_a_known_bias_is_taken_back(
    confusion: Confusion, named: tuple[int, int], percent: float
) -> None:
    share = found(dict(zip(TWO, named, strict=True)), confusion)["neutrophil"]
    assert share.value == pytest.approx(percent, abs=3)
    assert share.low <= percent <= share.high


def test_cells_not_named_are_shared_out_by_how_often_each_type_is_not_named() -> None:
    """Half of the eosinophils and no neutrophil is left unnamed: 30 + 30 of 100 are eosinophils."""
    rows = {
        "neutrophil": {"neutrophil": 2000, UNIDENTIFIED: 0},
        "eosinophil": {"eosinophil": 1000, UNIDENTIFIED: 1000},
    }
    named = {"neutrophil": 400, "eosinophil": 300, UNIDENTIFIED: 300}
    shares = found(named, Confusion.from_mapping(rows))
    assert shares["eosinophil"].value == pytest.approx(60, abs=1)


def test_a_type_outside_the_differential_stays_outside() -> None:
    """Of 100 named lymphocytes 50 are nucleated red cells, by a matrix that errs that often."""
    rows = {
        "neutrophil": {"neutrophil": 2000},
        "lymphocyte": {"lymphocyte": 2000},
        "erythroblast": {"erythroblast": 1000, "lymphocyte": 1000},
    }
    named = {"neutrophil": 500, "lymphocyte": 1000, "erythroblast": 500}
    shares = corrected_shares(named, Confusion.from_mapping(rows), TWO)
    assert shares is not None
    assert list(shares) == list(TWO)
    assert shares["lymphocyte"].value == pytest.approx(50, abs=2)


def test_the_posterior_is_that_of_a_grid() -> None:
    """Two types: p by sums on a fine grid, for many draws of the matrix, without any Gibbs step."""
    rng = np.random.default_rng(1)
    cells, named = np.array([[95, 5], [12, 88]]), np.array([70, 30])
    a, b = (rng.beta(right + 1, wrong + 0.1, 2000) for right, wrong in ((95, 5), (88, 12)))
    p = (np.arange(1000) + 0.5) / 1000
    chance = p * a[:, None] + (1 - p) * (1 - b[:, None])
    log = named[0] * np.log(chance) + named[1] * np.log(1 - chance) - 0.7 * np.log(p * (1 - p))
    density = np.exp(log - log.max(axis=1, keepdims=True))
    below = np.cumsum((density / density.sum(axis=1, keepdims=True)).mean(axis=0))
    share = found(dict(zip(TWO, named.tolist(), strict=True)), Confusion(TWO, TWO, cells))
    low, middle, high = 100 * np.interp([0.025, 0.5, 0.975], below, p)
    assert share["neutrophil"].value == pytest.approx(middle, abs=1)
    assert share["neutrophil"].low == pytest.approx(low, abs=1.5)
    assert share["neutrophil"].high == pytest.approx(high, abs=1.5)


def test_fewer_validation_cells_make_it_less_sure() -> None:
    widths = []
    for cells in (10, 50, 400, 5000):
        share = found(
            {"neutrophil": 550, "lymphocyte": 450}, two((cells * 9, cells), (cells, cells * 9))
        )
        widths.append(share["neutrophil"].high - share["neutrophil"].low)
    assert widths == sorted(widths, reverse=True)


def test_values_add_up_and_lie_between_their_ends() -> None:
    rng = np.random.default_rng(3)
    for _ in range(5):
        counts = rng.integers(0, 40, 9).tolist()
        shares = found(dict(zip(EVERY, counts, strict=True)), perfect(60))
        assert sum(share.value for share in shares.values()) == pytest.approx(100)
        for share in shares.values():
            assert 0 <= share.low <= share.value <= share.high <= 100


def test_the_same_seed_gives_the_same_and_another_nearly_the_same() -> None:
    first = found(NORMAL, perfect(100))
    assert found(NORMAL, perfect(100)) == first
    for name, share in found(NORMAL, perfect(100), seed=1).items():
        assert share.value == pytest.approx(first[name].value, abs=0.3)
        assert share.high == pytest.approx(first[name].high, abs=1)


def test_one_cell_means_next_to_nothing() -> None:
    shares = found({"monocyte": 1}, perfect(100))
    assert max(shares, key=lambda name: shares[name].value) == "monocyte"
    assert shares["monocyte"].high == 100
    assert all(share.low == 0 for name, share in shares.items() if name != "monocyte")
    assert all(share.high > 30 for share in shares.values())


def test_all_of_one_type_may_be_all_there_is() -> None:
    shares = found({"lymphocyte": 100}, perfect(1000))
    assert shares["lymphocyte"].high == 100
    assert shares["basophil"].low == 0


def few(name: str, cells: int) -> Confusion:
    rows = {one: {one: 100} for one in COUNTED} | {name: {name: cells}}
    return Confusion.from_mapping(rows)


@pytest.mark.parametrize(
    ("named", "confusion", "text"),
    [
        pytest.param({}, perfect(), "no cell was named", id="empty"),
        pytest.param({UNIDENTIFIED: 20}, perfect(), "no cell was named", id="none named"),
        pytest.param({"erythroblast": 5}, perfect(), "no cell was named", id="none that counts"),
        pytest.param(
            {"neutrophil": 5, "blast": 1}, perfect(), "nothing called blast", id="unknown name"
        ),
        pytest.param({"neutrophil": 5, "blast": 0}, perfect(), None, id="unknown, not named"),
        pytest.param({"neutrophil": 5}, few("basophil", 9), r"basophil \(9\)", id="nine"),
        pytest.param({"neutrophil": 5}, few("basophil", 10), None, id="ten"),
        pytest.param(
            {"neutrophil": 5}, few("erythroblast", 3), r"erythroblast \(3\)", id="beside it"
        ),
        pytest.param(
            {"neutrophil": 5}, two((50, 0), (0, 50)), r"monocyte \(0\)", id="a type never seen"
        ),
        pytest.param(
            {"neutrophil": 5},
            Confusion((), ("neutrophil",), np.zeros((0, 1), np.int64)),
            r"neutrophil \(0\)",
            id="no validation",
        ),
    ],
)
def test_what_stands_in_the_way(
    named: dict[str, int], confusion: Confusion, text: str | None
) -> None:
    reason, shares = (
        obstacle(named, confusion, COUNTED),
        corrected_shares(named, confusion, COUNTED),
    )
    assert (reason is None) == (shares is not None) == (text is None)
    if text is not None:
        with pytest.raises(ValueError, match=text):
            raise ValueError(reason)


def test_a_matrix_as_plain_numbers_comes_back() -> None:
    rows = {
        "neutrophil": {"neutrophil": 370, UNIDENTIFIED: 6},
        "basophil": {"neutrophil": 2, "basophil": 30, UNIDENTIFIED: 0},
        "monocyte": {UNIDENTIFIED: 0},
    }
    confusion = Confusion.from_mapping(rows)
    assert confusion.named_types == ("neutrophil", "basophil", "monocyte", UNIDENTIFIED)
    assert confusion.counts.tolist() == [[370, 0, 0, 6], [2, 30, 0, 0], [0, 0, 0, 0]]
    assert confusion.to_mapping() == rows
    assert Confusion.from_mapping({}).to_mapping() == {}


@pytest.mark.parametrize(
    ("counts", "text"),
    [
        pytest.param([[1, 2]], r"shape \(2, 2\), got \(1, 2\)", id="a row is missing"),
        pytest.param([1, 2, 3, 4], r"got \(4,\)", id="flat"),
        pytest.param([[1, 2], [3, -4]], "0 or more", id="negative"),
        pytest.param([[1, 2], [3, 0.5]], "whole counts", id="shares for counts"),
        pytest.param([[1, 2], [3, np.nan]], "whole counts", id="nan"),
    ],
)
def test_a_matrix_that_cannot_be_is_refused(counts: list[list[float]], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        Confusion(TWO, TWO, np.array(counts))


def test_names_twice_and_negative_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="twice"):
        Confusion(("neutrophil", "neutrophil"), TWO, np.ones((2, 2), np.int64))
    with pytest.raises(ValueError, match="0 or more"):
        corrected_shares({"neutrophil": -1}, perfect(), COUNTED)


def test_intervals_cover_and_errors_shrink() -> None:
    """Loose bounds: `benchmarks/correction.py` measures it with more care."""
    rng = np.random.default_rng(0)
    truth, names = np.array([0.55, 0.3, 0.15]), ("neutrophil", "lymphocyte", "monocyte")
    chances = np.array([[0.86, 0.02, 0.12], [0.02, 0.93, 0.05], [0.01, 0.04, 0.95]])
    covered, raw, corrected = [], [], []
    for _ in range(60):
        confusion = Confusion(names, names, rng.multinomial([200, 150, 60], chances))
        named = rng.multinomial(400, truth @ chances)
        shares = found(dict(zip(names, named.tolist(), strict=True)), confusion)
        ends = np.array([(share.low, share.value, share.high) for share in shares.values()]) / 100
        covered.append((ends[:, 0] <= truth) & (truth <= ends[:, 2]))
        raw.append(np.abs(named / 400 - truth))
        corrected.append(np.abs(ends[:, 1] - truth))
    assert 0.88 <= np.mean(covered) <= 0.995
    assert np.mean(corrected) < np.mean(raw)
