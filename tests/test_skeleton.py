"""What a newcomer relies on: a quick command line, no torch, and options that are settings."""

import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import click
import pytest

from leukodiff.pipeline.cli import main

REPOSITORY = Path(__file__).parents[1]


def command_named(name: str) -> click.Command:
    found: click.Command = main
    for part in name.split():
        assert isinstance(found, click.Group)
        found = found.commands[part]
    return found


def imported_by(code: str) -> set[str]:
    """The top-level modules that are loaded once `code` has run."""
    show = "import sys; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run(
        [sys.executable, "-I", "-c", f"{code}; {show}"], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_the_command_line_alone_loads_no_science() -> None:
    """That is what lets `--help` answer at once."""
    science = {"numpy", "cv2", "openvino", "pandas", "scipy", "PIL", "rich", "jinja2", "torch"}
    help_page = "from leukodiff.pipeline.cli import main; main(['--help'], standalone_mode=False)"
    assert not imported_by(help_page) & science


@pytest.mark.parametrize(
    "module",
    [
        "leukodiff.pipeline.runs.analyze",
        "leukodiff.pipeline.analysis.evaluate",
        "leukodiff.detector.infer, leukodiff.detector.scale, leukodiff.classifier.infer",
        "leukodiff.datasets.registry, leukodiff.datasets.check, leukodiff.datasets.phantom",
    ],
    ids=["analyze", "evaluate pipeline", "models", "data"],
)
def test_what_runs_without_the_train_extra_loads_none_of_it(module: str) -> None:
    extra = {"torch", "torchvision", "ultralytics", "timm", "matplotlib", "sklearn", "onnx"}
    assert not imported_by(f"import {module}") & extra


@pytest.mark.parametrize(
    ("command", "module", "settings"),
    [
        ("analyze", "leukodiff.pipeline.runs.analyze", "AnalyzeSettings"),
        pytest.param(
            "train detector", "leukodiff.detector.train", "DetectorTraining", marks=pytest.mark.slow
        ),
        pytest.param(
            "train classifier",
            "leukodiff.classifier.train",
            "ClassifierTraining",
            marks=pytest.mark.slow,
        ),
        ("export detector", "leukodiff.detector.export", "DetectorExport"),
        ("review", "leukodiff.pipeline.review.service.settings", "ReviewSettings"),
    ],
)
def test_options_are_settings(command: str, module: str, settings: str) -> None:
    known = {one.name for one in fields(getattr(pytest.importorskip(module), settings))}
    options = {one.name for one in command_named(command).params if isinstance(one, click.Option)}
    of_the_report = {one.name for one in command_named("report").params} - {"folders"}
    shared = of_the_report if "report" in known else set()
    assert options - known - shared <= {
        *("out", "data", "official_labels", "no_overlays", "field_timeout", "cluster"),
        *("threshold", "figures", "last_layer"),
    }


def test_options_of_a_report_are_settings() -> None:
    from leukodiff.pipeline.exports.bundle import ReportSettings
    from leukodiff.pipeline.report.sample import Sample

    known = {one.name for kind in (ReportSettings, Sample) for one in fields(kind)}
    options = {one.name for one in command_named("report").params} - {"folders"}
    assert options - known == {"age", "no_hints"}  # age_years, hints


@pytest.mark.parametrize(
    ("command", "module", "settings"),
    [
        pytest.param(
            "train detector", "leukodiff.detector.train", "DetectorTraining", marks=pytest.mark.slow
        ),
        pytest.param(
            "train classifier",
            "leukodiff.classifier.train",
            "ClassifierTraining",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_defaults_are_the_settings_own(command: str, module: str, settings: str) -> None:
    kind = getattr(pytest.importorskip(module), settings)
    own = {one.name: one.default for one in fields(kind)}
    chosen = command_named(command).make_context(command, ["--out", "runs"]).params
    same = set(chosen) & set(own) - {"out"}
    assert {name: chosen[name] for name in same} == {name: own[name] for name in same}


def test_every_package_is_named_in_pyproject() -> None:
    import tomllib

    named = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["setuptools"]
    rooms = [path.name for path in (REPOSITORY / "typings" / "leukodiff").iterdir()]
    found = {
        "leukodiff." + init.parent.relative_to(REPOSITORY).as_posix().replace("/", ".")
        for room in rooms
        for init in (REPOSITORY / room).rglob("__init__.py")
    }
    assert set(named["packages"]) == found


def test_the_lock_names_no_place_to_download_from() -> None:
    lock = (REPOSITORY / "requirements.lock").read_text()
    assert "://" not in lock
    assert re.search(r"^torch==", lock, re.M)
