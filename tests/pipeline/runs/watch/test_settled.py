"""When a slide is written to its end, and what it is called."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from leukodiff.pipeline.analysis.models import Models
from leukodiff.pipeline.runs.analyze import AnalyzeSettings, analyze_slides
from leukodiff.pipeline.runs.watch.settled import Newcomers, is_readable
from leukodiff.pipeline.runs.worker import unique_names
from leukodiff.pipeline.slides.discover import Slide, find_slides

Smear = Callable[..., Path]


@dataclass
class Scanner:
    """A folder that is looked at every second; `opens`: whether what it holds can be opened."""

    folder: Path
    opens: bool = True
    newcomers: Newcomers = field(init=False)
    now: float = 0.0

    def __post_init__(self) -> None:
        self.newcomers = Newcomers(3.0, lambda slide: self.opens)

    def ready(self, seconds: int = 1) -> list[str]:
        names: list[str] = []
        for _ in range(seconds):
            self.now += 1.0
            found = self.newcomers.ready(find_slides([self.folder]), self.now)
            for slide in found:
                self.newcomers.passed_on(slide)
            names += [slide.slide_id for slide in found]
        return names


@pytest.fixture
def scanner(tmp_path: Path, smear: Smear) -> Scanner:
    smear("in/s1", a=("neutrophil",))
    return Scanner(tmp_path / "in")


def test_a_slide_is_whole_once_it_has_not_changed_for_a_while(
    scanner: Scanner, smear: Smear
) -> None:
    assert scanner.ready(3) == []
    smear("in/s1", b=())
    assert scanner.ready(3) == [], "another field has come"
    assert scanner.newcomers.waiting == 1
    assert scanner.ready() == ["s1"]
    assert scanner.ready(50) == [], "once"
    assert scanner.newcomers.waiting == 0


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda path: path.write_bytes(path.read_bytes() + b"x"), id="it grows"),
        pytest.param(lambda path: path.write_bytes(path.read_bytes()), id="written again"),
        pytest.param(lambda path: path.rename(path.with_name("b.png")), id="renamed"),
    ],
)
def test_a_slide_that_changes_after_it_was_passed_on_comes_again(
    scanner: Scanner, change: Callable[[Path], object]
) -> None:
    assert scanner.ready(4) == ["s1"]
    change(scanner.folder / "s1/a.png")
    assert scanner.ready(3) == []
    assert scanner.ready() == ["s1"]


def test_a_slide_that_never_opens_is_passed_on_to_be_listed(scanner: Scanner) -> None:
    scanner.opens = False
    assert scanner.ready(30) == []
    assert scanner.ready() == ["s1"]


def test_one_that_opens_late(scanner: Scanner) -> None:
    scanner.opens = False
    assert scanner.ready(10) == []
    scanner.opens = True
    assert scanner.ready() == ["s1"]


def test_one_that_is_taken_away_is_forgotten(scanner: Scanner, smear: Smear) -> None:
    smear("in/s2", a=())
    assert scanner.ready() == []
    assert scanner.newcomers.waiting == 2
    (scanner.folder / "s2/a.png").unlink()
    (scanner.folder / "s2").rmdir()
    scanner.ready()
    assert scanner.newcomers.waiting == 1


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(slice(None), True, id="whole"),
        pytest.param(slice(0, 20), False, id="its first bytes"),
        pytest.param(slice(0, 0), False, id="empty"),
    ],
)
def test_readable(tmp_path: Path, smear: Smear, content: slice, expected: bool) -> None:
    path = smear(a=("neutrophil",)) / "a.png"
    path.write_bytes(path.read_bytes()[content])
    assert [is_readable(slide) for slide in find_slides([path])] == [expected]


def named(paths: Sequence[Path], out: Path) -> list[Slide]:
    return unique_names([slide for path in paths for slide in find_slides([path])], out)


def test_slides_that_come_one_by_one_keep_their_names(
    tmp_path: Path, smear: Smear, models: Models
) -> None:
    out = tmp_path / "out"
    folders = [smear(f"{day}/smear", a=()) for day in ("tue", "mon")]
    for folder, name in zip(folders, ("smear", "smear-2"), strict=True):
        slides = named([folder], out)
        assert [slide.slide_id for slide in slides] == [name]
        analyze_slides(slides, out, AnalyzeSettings(threads=1), models=models)
    expected = {folders[0]: "smear", folders[1]: "smear-2"}
    assert {slide.path: slide.slide_id for slide in named(folders, out)} == expected
    assert {slide.path: slide.slide_id for slide in named(folders[::-1], out)} == expected
