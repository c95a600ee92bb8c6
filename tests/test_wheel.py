"""The wheel holds `leukodiff` and nothing else, and lives beside a package called `datasets`."""

import base64
import hashlib
import os
import runpy
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).parents[1]
BUILT_WITH = "npm"
"""What the review's pages are built with: no part of the wheel."""
ROOMS = ("classifier", "core", "datasets", "detector", "pipeline", "runtime")
THEIRS = "OWNER = 'somebody else'\n"


def run(*command: str | Path, cwd: Path | None = None) -> str:
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy so that the working tree gets no build folder."""
    root = tmp_path_factory.mktemp("wheel")
    source = root / "source"
    source.mkdir()
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, source)
    for room in ROOMS:
        left_out = shutil.ignore_patterns("__pycache__", "*.partial", BUILT_WITH)
        shutil.copytree(REPOSITORY / room, source / room, ignore=left_out)
    build = f"from setuptools import build_meta; build_meta.build_wheel({str(root)!r})"
    run(sys.executable, "-c", build, cwd=source)
    return next(root.glob("*.whl"))


@pytest.fixture(scope="module")
def names(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def test_the_wheel_puts_nothing_but_leukodiff_at_the_top(names: list[str], wheel: Path) -> None:
    version = wheel.name.split("-")[1]
    assert {name.split("/")[0] for name in names} == {
        "leukodiff",
        f"leukodiff-{version}.dist-info",
    }


def test_the_wheel_holds_every_file_of_the_rooms(names: list[str]) -> None:
    files = {
        f"leukodiff/{path.relative_to(REPOSITORY).as_posix()}"
        for room in ROOMS
        for path in (REPOSITORY / room).rglob("*")
        if path.is_file()
        and not {"__pycache__", BUILT_WITH} & set(path.parts)
        and path.suffix != ".partial"
    }
    assert not files - set(names)


@pytest.mark.parametrize("ours_first", [True, False], ids=["ours first", "theirs first"])
def test_another_datasets_package_stays_whole(
    wheel: Path, tmp_path: Path, ours_first: bool
) -> None:
    python = _bare_environment(tmp_path)
    wheels = [wheel, _their_wheel(tmp_path)]
    for path in wheels if ours_first else reversed(wheels):
        run(*_pip(python), "install", "--no-index", "--no-deps", path)
    show_owner = "import datasets; print(datasets.OWNER)"
    ours = "import leukodiff.datasets; print('ours')"
    assert run(python, "-I", "-c", f"{ours}; {show_owner}") == "ours\nsomebody else\n"
    run(*_pip(python), "uninstall", "--yes", "leukodiff")
    assert run(python, "-I", "-c", show_owner).strip() == "somebody else"


NPM = """#!/bin/sh
case "$*" in *run*build*) [ {builds} = 1 ] || exit 1
mkdir -p {viewer.parent}; echo "var OpenSeadragon" > {viewer};;
esac
"""
"""An npm that fetches nothing."""


@pytest.mark.parametrize(
    ("npm", "reason"),
    [
        pytest.param("builds", "", id="npm builds it"),
        pytest.param("fails", "npm run failed", id="npm fails"),
        pytest.param("none", "no npm here", id="no npm"),
        pytest.param("no sources", "no sources", id="an archive without the pages' sources"),
        pytest.param("stands", "", id="it stands already"),
    ],
)
def test_the_viewer_is_built_into_a_wheel_or_its_lack_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, npm: str, reason: str
) -> None:
    facts = runpy.run_path(str(REPOSITORY / "setup.py"))
    tools = tmp_path / "bin"
    tools.mkdir()
    if npm != "none":
        text = NPM.format(builds=int(npm == "builds"), viewer=facts["VIEWER"])
        (tools / "npm").write_text(text)
        (tools / "npm").chmod(0o755)
    if npm != "no sources":
        (tmp_path / facts["WEB"]).mkdir(parents=True)
        (tmp_path / facts["WEB"] / "package.json").write_text("{}")
    if npm == "stands":
        (tmp_path / facts["VIEWER"]).parent.mkdir(parents=True)
        (tmp_path / facts["VIEWER"]).write_text("here")
    system = "" if npm == "none" else f":{os.environ['PATH']}"
    monkeypatch.setenv("PATH", f"{tools}{system}")
    monkeypatch.chdir(tmp_path)
    why = facts["build_viewer"](tmp_path)
    assert why.startswith(reason)
    assert bool(why) == bool(reason)
    assert (tmp_path / facts["VIEWER"]).is_file() == (not reason)


def _bare_environment(root: Path) -> Path:
    venv.create(root / "environment", with_pip=False, symlinks=True)
    return root / "environment" / "bin" / "python"


def _pip(python: Path) -> list[str | Path]:
    quiet = ("--quiet", "--disable-pip-version-check", "--no-input")
    return [sys.executable, "-m", "pip", *quiet, "--python", python]


def _their_wheel(root: Path) -> Path:
    """A wheel that is called `datasets` and installs that name, as Hugging Face's does."""
    folder = "datasets-4.0.0.dist-info"
    files = {
        "datasets/__init__.py": THEIRS,
        f"{folder}/METADATA": "Metadata-Version: 2.1\nName: datasets\nVersion: 4.0.0\n",
        f"{folder}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},sha256={_digest(text)},{len(text)}\n" for name, text in files.items())
    path = root / "datasets-4.0.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
        archive.writestr(f"{folder}/RECORD", f"{record}{folder}/RECORD,,\n")
    return path


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
