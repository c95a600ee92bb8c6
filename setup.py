"""The one step of the build that pyproject.toml can't say: the review's viewer comes from npm.

A wheel or source archive gets it built in where npm is there; `make web` does it by hand, and an
editable installation leaves it to that. Without it everything works but the viewer, which says so.
"""

import shutil
import subprocess
import sys
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

WEB = Path("pipeline/review/web/npm")
VIEWER = Path("pipeline/review/web/static/lib/openseadragon.min.js")
NPM_TIMEOUT_S = 300
"""Seconds that npm may take: it downloads one library."""

MISSING = (
    "leukodiff is built WITHOUT the viewer of the review's pages ({why}): all else works. "
    "To have it install node and npm, run `make web` in the source folder, and build again."
)


def build_viewer(root: Path) -> str:
    """Fetches the viewer into the package; why it could not, empty where it is there."""
    if (root / VIEWER).is_file():
        return ""
    if not (root / WEB / "package.json").is_file():
        return "no sources of the pages here"
    npm = shutil.which("npm")
    if npm is None:
        return "no npm here"
    quiet = ("--no-audit", "--no-fund", "--loglevel=error")
    for step in (("ci", "--omit=dev", "--ignore-scripts", *quiet), ("run", "--silent", "build")):
        try:
            command = [npm, "--prefix", str(root / WEB), *step]
            done = subprocess.run(command, capture_output=True, text=True, timeout=NPM_TIMEOUT_S)  # noqa: S603
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"npm {step[0]}: {error}"
        if done.returncode:
            return f"npm {step[0]} failed: {' '.join(done.stderr.split())[:300]}"
    return "" if (root / VIEWER).is_file() else "npm built no viewer"


def warn(why: str) -> None:
    """Warns that a build goes without the viewer."""
    if why:
        sys.stderr.write(f"\nwarning: {MISSING.format(why=why)}\n\n")


class BuildWithViewer(build_py):
    """Builds the packages; the viewer first, unless the folder itself is installed."""

    def run(self) -> None:
        """Builds them."""
        if not self.editable_mode:
            warn(build_viewer(Path(__file__).parent))
        super().run()


class SourceWithViewer(sdist):
    """A source archive that needs no npm any more."""

    def run(self) -> None:
        """Makes it."""
        warn(build_viewer(Path(__file__).parent))
        super().run()


if __name__ == "__main__":
    setup(cmdclass={"build_py": BuildWithViewer, "sdist": SourceWithViewer})
