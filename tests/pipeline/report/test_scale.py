import pytest

from leukodiff.core.message import Message
from leukodiff.detector.scale import ScaleEstimate
from leukodiff.pipeline.report.scale import ScaleUnknownError, agreed, resolve_scale


@pytest.mark.parametrize(
    ("given", "metadata", "measured", "expected"),
    [
        pytest.param(0.3, 0.2, (0.1, 50), (0.3, "user", 0), id="the user's word"),
        pytest.param(None, 0.2, (0.21, 50), (0.2, "metadata", 50), id="the file, and cells agree"),
        pytest.param(None, 0.2, (0.27, 50), (0.2, "metadata", 50), id="small cells are no error"),
        pytest.param(None, 0.2, None, (0.2, "metadata", 0), id="the file alone"),
        pytest.param(None, 0.2, (0.4, 5), (0.2, "metadata", 5), id="too few cells to contradict"),
        pytest.param(None, 0.2, (0.4, 50), (0.4, "red cells", 50), id="a wrong file"),
        pytest.param(None, None, (0.4, 5), (0.4, "red cells", 5), id="the cells alone"),
    ],
)
def test_whose_word_counts(
    given: float | None,
    metadata: float | None,
    measured: tuple[float, int] | None,
    expected: tuple[float, str, int],
) -> None:
    tried: list[float | None] = []

    def measure(guess: float | None) -> ScaleEstimate | None:
        tried.append(guess)
        return ScaleEstimate(measured[0], 0.1, measured[1]) if measured else None

    scale = resolve_scale(
        given, metadata, measure, [Message("scan_turned")] if given is None else []
    )
    assert (scale.um_per_px, scale.source, scale.n_cells) == expected
    assert tried == ([] if given else [metadata])
    refused = metadata is not None and expected[1] == "red cells"
    assert len(scale.warnings) == (0 if given else 1 + refused)
    if refused:
        assert "its red cells would be 3.8 um wide" in str(scale.warnings[1])


@pytest.mark.parametrize(
    ("metadata", "source", "n_cells"),
    [
        pytest.param(None, "white cells", 30, id="nobody else knows"),
        pytest.param(0.2, "metadata", 0, id="they never contradict the file"),
    ],
)
def test_white_cells(metadata: float | None, source: str, n_cells: int) -> None:
    measured = ScaleEstimate(0.4, 0.2, 30, "white_cell")
    scale = resolve_scale(None, metadata, lambda guess: measured)
    assert (scale.source, scale.n_cells) == (source, n_cells)
    warned = ["scale measured by 30 white cells alone, good to about 20 %"] if n_cells else []
    assert [str(one).partition(":")[0] for one in scale.warnings] == warned


def test_an_unknown_scale_is_refused_with_what_to_do() -> None:
    refused = Message(
        "scale_refused",
        place=Message("tiff_resolution"),
        um_per_px="353",
        problem=Message("px_not_square"),
    )
    with pytest.raises(ScaleUnknownError, match="--um-per-px; TIFF's XResolution says 353 um/px"):
        resolve_scale(None, None, lambda guess: None, [refused])


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], None),
        ([None, None], None),
        ([0.2, None], None),
        ([0.2, 0.2], 0.2),
        ([0.2, 0.202], 0.201),
        ([0.2, 0.25], None),
    ],
    ids=["none", "nobody knows", "one does not", "all", "nearly", "they differ"],
)
def test_fields_must_agree(values: list[float | None], expected: float | None) -> None:
    assert agreed(values) == pytest.approx(expected)
