from pathlib import Path

import pytest

from leukodiff.core.errors import InputError
from leukodiff.pipeline.report.differential import COUNTED
from leukodiff.pipeline.report.reference_ranges import PERCENT, adult, read_profile
from leukodiff.pipeline.report.sample import Sample

RANGE = '[[range]]\nanalyte = "neutrophil"\nunit = "%"\nlow = 40\nhigh = 80\n'


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "ours.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_shipped_profile_covers_the_differential_and_cites_its_sources() -> None:
    found = adult()
    for name in COUNTED:
        reference = found.reference(name, PERCENT, Sample())
        assert reference is not None
        assert 0 <= reference.low < reference.high <= 100
        assert reference.source
    assert all(one.source for one in found.ranges)
    assert all(one.critical_source for one in found.ranges if one.critical_low is not None)


def test_the_shipped_profile_keeps_its_bytes() -> None:
    """Its checksum decides whether a result of before is taken up again: a change is a decision."""
    assert adult().sha256 == "995c7504a9b0b392980243660e7003bece276dd88b9b3cbb43a4fc39f2cf9313"


def test_a_range_is_chosen_by_sex_and_age(tmp_path: Path) -> None:
    bands = "".join(
        f'{RANGE.replace("40", str(low))}sex = "{sex}"\nage_from = {first}\nage_to = {last}\n'
        for sex, first, last, low in (
            ("female", 0, 18, 30),
            ("female", 18, 150, 41),
            ("male", 18, 150, 42),
        )
    )
    profile = read_profile(written(tmp_path, f'name = "ours"\n{bands}'))

    def low(sample: Sample) -> float | None:
        reference = profile.reference("neutrophil", PERCENT, sample)
        return reference.low if reference else None

    assert low(Sample(sex="female", age_years=17.9)) == 30
    assert low(Sample(sex="female", age_years=18)) == 41
    assert low(Sample(sex="male", age_years=70)) == 42
    assert low(Sample(sex="male", age_years=7)) is None
    assert low(Sample(sex="female")) is None
    assert low(Sample(age_years=30)) is None


def test_a_source_is_given_in_full(tmp_path: Path) -> None:
    text = f'name = "ours"\n[sources]\nbook = "A book, 2020"\n{RANGE}source = "book"\n'
    assert read_profile(written(tmp_path, text)).ranges[0].source == "A book, 2020"
    own = f'name = "ours"\n{RANGE}source = "our own, 2024"\n'
    assert read_profile(written(tmp_path, own)).ranges[0].source == "our own, 2024"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("name = ", "not a reference profile in TOML", id="no TOML"),
        pytest.param(RANGE, "needs a name", id="no name"),
        pytest.param('name = "x"', r"at least one \[\[range\]\]", id="no range"),
        pytest.param(f'name = "x"\nnmae = "y"\n{RANGE}', "unknown key 'nmae'", id="a slip"),
        pytest.param(
            f'name = "x"\n{RANGE}lwo = 1\n', r"range 1 \(neutrophil\): unknown key 'lwo'", id="slip"
        ),
        pytest.param(
            'name = "x"\n' + RANGE.replace("high = 80\n", ""), "high is missing", id="no limit"
        ),
        pytest.param(
            'name = "x"\n' + RANGE.replace("80", "30"), "low 40 is not below high 30", id="inverted"
        ),
        pytest.param(
            'name = "x"\n' + RANGE.replace("80", "40"), "low 40 is not below high 40", id="equal"
        ),
        pytest.param('name = "x"\n' + RANGE.replace("80", "101"), "above 100 %", id="above 100"),
        pytest.param('name = "x"\n' + RANGE.replace("40", "-1"), "low must be", id="negative"),
        pytest.param('name = "x"\n' + RANGE.replace("40", '"a"'), "low must be", id="text"),
        pytest.param('name = "x"\n' + RANGE.replace("80", "nan"), "high must be", id="nan"),
        pytest.param(
            'name = "x"\n' + RANGE.replace("neutrophil", "blast"), "unknown analyte", id="analyte"
        ),
        pytest.param('name = "x"\n' + RANGE.replace('"%"', '"g/L"'), "unit must be", id="unit"),
        pytest.param(f'name = "x"\n{RANGE}sex = "f"\n', "sex must be", id="sex"),
        pytest.param(
            f'name = "x"\n{RANGE}age_from = 9\nage_to = 3\n', "age_from 9 is not below", id="ages"
        ),
        pytest.param(
            f'name = "x"\n{RANGE}critical_low = 41\n', "critical_low 41 is above", id="critical low"
        ),
        pytest.param(
            f'name = "x"\n{RANGE}critical_high = 70\n', "critical_high 70 is below", id="high"
        ),
        pytest.param(f'name = "x"\n{RANGE}source = 3\n', "a source must be text", id="source"),
        pytest.param(f'name = "x"\n{RANGE}{RANGE}', "two ranges of neutrophil", id="twice"),
    ],
)
def test_a_wrong_profile_is_refused_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(InputError, match=message) as refusal:
        read_profile(path)
    assert str(path) in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_missing_profile_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a reference profile"):
        read_profile(tmp_path / "none.toml")
