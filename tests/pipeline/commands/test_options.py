"""Options that are refused in one line, and defaults that must be those of the library."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from leukodiff.pipeline.cli import main
from leukodiff.pipeline.commands.export import export_detector
from leukodiff.pipeline.commands.options import labeled_fields

EXPORT = ("export", "detector", "{root}/a.pt", "--out", "{root}/a.onnx")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param([*EXPORT, "--threshold", "WBC=0.3"], "no class 'WBC'", id="unknown class"),
        pytest.param([*EXPORT, "--threshold", "platelet=30"], "from 0 to 1", id="per cent"),
        pytest.param([*EXPORT, "--threshold", "platelet=nan"], "from 0 to 1", id="no number"),
        pytest.param([*EXPORT, "--threshold", "platelet"], "CLASS=NUMBER", id="no value"),
        pytest.param([*EXPORT, "--figures", "{root}/a.pt"], "not what `evaluate", id="no JSON"),
        pytest.param([*EXPORT, "--figures", "{root}/b"], "not what `evaluate", id="no file"),
        pytest.param(["evaluate", "detector", "--ladder", "0"], "positive numbers", id="zero"),
        pytest.param(["evaluate", "detector", "--ladder", "0.1,-1"], "positive", id="negative"),
        pytest.param(["evaluate", "detector", "--ladder", "fine"], "positive", id="a word"),
        pytest.param(["evaluate", "pipeline", "--um-per-px", "0"], "--um-per-px", id="no scale"),
        pytest.param(["data", "check", "--root", "{root}"], "NAME", id="a root of nothing"),
    ],
)
def test_refused_in_one_line(tmp_path: Path, arguments: list[str], words: str) -> None:
    (tmp_path / "a.pt").write_text("not JSON")
    result = CliRunner().invoke(main, [one.format(root=tmp_path) for one in arguments])
    assert result.exit_code == 2, result.output
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith("Error: ")
    assert words in last


def test_the_box_ratio_is_the_library_s() -> None:
    export = pytest.importorskip("leukodiff.detector.export")
    option = next(one for one in export_detector.params if one.name == "red_cell_box_ratio")
    assert option.default == export.DetectorExport().red_cell_box_ratio == 1.12


@pytest.mark.parametrize(
    ("own", "given", "expected"),
    [(None, None, None), (None, 0.2, 0.2), (0.1, 0.2, 0.1)],
    ids=["unknown", "given", "its own goes first"],
)
def test_a_scale_for_fields_that_have_none(
    tmp_path: Path, own: float | None, given: float | None, expected: float | None
) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((8, 8, 3), np.uint8))
    (tmp_path / "truth.csv").write_text("field_id,cell_type,x_min,y_min,x_max,y_max\n")
    if own:
        (tmp_path / "truth.json").write_text(json.dumps({"settings": {"um_per_px": own}}))
    (field,) = labeled_fields([f"table={tmp_path}"], um_per_px=given)
    assert field.um_per_px == expected
