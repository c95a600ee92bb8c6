from pathlib import Path
from typing import Any

import pytest

from leukodiff.core.errors import InputError
from leukodiff.pipeline.report.sample import Sample, read_samples


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        pytest.param({"wbc_count": -1.0}, "not -1", id="negative"),
        pytest.param({"wbc_count": 0.0}, "expected 10", id="none"),
        pytest.param({"wbc_count": 6200.0}, "per microliter.*6.2", id="another unit"),
        pytest.param({"wbc_count": float("nan")}, "not nan", id="not a number"),
        pytest.param({"wbc_count": float("inf")}, "not inf", id="infinite"),
        pytest.param({"age_years": -1.0}, "age: expected years", id="before birth"),
        pytest.param({"age_years": float("nan")}, "age: expected years", id="no age"),
        pytest.param({"sex": "f"}, "sex: expected female or male", id="a letter"),
    ],
)
def test_what_cannot_be_is_refused(facts: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Sample(**facts)


def test_what_can_be_is_taken() -> None:
    assert Sample(wbc_count=1000.0).wbc_count == 1000.0
    assert Sample(age_years=0).age_years == 0
    assert Sample() == Sample(sex="")


def table(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "samples.csv"
    path.write_bytes(text.encode())
    return path


def test_a_table_of_samples(tmp_path: Path) -> None:
    text = "\ufeffslide_id,wbc_count,sex,age_years,sample_id\na,6.2,female,40,A-1\nb,,,,\n"
    found = read_samples(table(tmp_path, text))
    assert found["a"] == Sample("A-1", sex="female", age_years=40.0, wbc_count=6.2)
    assert found["b"] == Sample()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("", "needs a column slide_id", id="empty"),
        pytest.param("slide,wbc_count\na,1\n", "needs a column slide_id", id="no slides"),
        pytest.param("slide_id,wcb\na,1\n", "unknown column 'wcb'", id="a slip"),
        pytest.param("slide_id,wbc_count\na,1\na,2\n", "line 3: slide 'a' is there", id="2"),
        pytest.param("slide_id,wbc_count\na,6200\n", "line 2: white cell count", id="unit"),
        pytest.param('slide_id,wbc_count\na,"6,2"\n', "a number with a point", id="a comma"),
        pytest.param("slide_id,wbc_count\na,6,2\n", "line 2: more values", id="too many"),
    ],
)
def test_a_wrong_table_is_refused_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    path = table(tmp_path, text)
    with pytest.raises(InputError, match=message) as refusal:
        read_samples(path)
    assert str(path) in str(refusal.value)


def test_a_table_in_another_encoding_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "samples.csv"
    path.write_bytes("slide_id,patient\na,Müller\n".encode("latin-1"))
    with pytest.raises(InputError, match="UTF-8"):
        read_samples(path)
