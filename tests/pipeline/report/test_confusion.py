from pathlib import Path

import pytest

from leukodiff.core.errors import InputError
from leukodiff.pipeline.report.confusion import read_confusion

GOOD = """\
true_type,lymphocyte,missed,neutrophil,unidentified
neutrophil,1,4,90,9
lymphocyte,40,0,0,0
"""


def test_what_evaluate_pipeline_writes_is_read(tmp_path: Path) -> None:
    path = tmp_path / "confusion.csv"
    path.write_text(GOOD, encoding="utf-8")
    assert read_confusion(path).to_mapping() == {
        "neutrophil": {"neutrophil": 90, "lymphocyte": 1, "unidentified": 9},
        "lymphocyte": {"lymphocyte": 40, "unidentified": 0},
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("", "empty", id="empty"),
        pytest.param("a,b\n", "expected the columns true_type", id="another table"),
        pytest.param("true_type\n", "expected the columns true_type", id="nothing said"),
        pytest.param(GOOD.replace("90,9", "90"), "line 2: 4 values for 5", id="cut off"),
        pytest.param(GOOD.replace("90", "9.5"), "line 2: expected a whole number", id="a half"),
        pytest.param(GOOD.replace("90", "-9"), "line 2: expected a whole number", id="negative"),
        pytest.param(GOOD.replace("lymphocyte,40", "blast,40"), "line 3: unknown type", id="type"),
        pytest.param(GOOD.replace("lymphocyte,40", "neutrophil,40"), "line 3: .*twice", id="twice"),
    ],
)
def test_what_is_wrong_stands_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "confusion.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message) as refusal:
        read_confusion(path)
    assert str(path) in str(refusal.value)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a confusion matrix"):
        read_confusion(tmp_path / "none.csv")
