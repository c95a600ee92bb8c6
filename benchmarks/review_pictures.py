"""Pictures of the review's pages for the documentation, of a phantom smear.

    python benchmarks/review_pictures.py --out docs/pictures

Renders a smear, analyzes it, opens it in a review of its own and takes a picture of the worklist,
the gallery and the viewer. Needs chromium, and the viewer's OpenSeadragon (`make web`).
"""

import argparse
import io
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from leukodiff.datasets.phantom import PhantomSettings, render_smear

CHROMIUM = "/usr/bin/chromium"
QUALITY = 80
"""Of the WebP."""
LEUKODIFF = (str(Path(sys.executable).with_name("leukodiff")),)


def main() -> None:
    """Writes `review-worklist.webp`, `review-gallery.webp` and `review-viewer.webp`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/pictures"))
    out = parser.parse_args().out
    with tempfile.TemporaryDirectory() as name:
        smear, done = Path(name) / "phantom smear", Path(name) / "out"
        render_smear(smear, PhantomSettings(seed=1, n_white=5), 10)
        subprocess.run([*LEUKODIFF, "analyze", smear, "--out", done], check=True)
        command = [*LEUKODIFF, "review", str(done), "--port", "0"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            try:
                take(address_of(server), smear.name, out)
            finally:
                server.terminate()


def address_of(server: "subprocess.Popen[str]") -> str:
    """The address, token included, that a review prints as it begins."""
    assert server.stdout
    for line in server.stdout:
        if found := re.search(r"http://\S+", line):
            return found[0]
    raise RuntimeError("the review ended before it told its address")


def take(address: str, slide: str, out: Path) -> None:
    """Goes through the pages as a person does, and takes a picture of each."""
    options = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=options)
        page = browser.new_page(viewport={"width": 1200, "height": 760})
        page.goto(address)
        page.wait_for_selector(f"text={slide}")
        save(page, out / "review-worklist.webp")
        page.click(f"text={slide}")
        page.wait_for_load_state("networkidle")
        page.keyboard.press("j")
        save(page, out / "review-gallery.webp")
        page.goto(page.url.split("?")[0].rstrip("/") + "/view")
        page.wait_for_load_state("networkidle")
        page.keyboard.press("j")
        save(page, out / "review-viewer.webp")
        browser.close()


def save(page: Page, path: Path) -> None:
    """A picture of what is seen."""
    page.wait_for_timeout(1000)
    image = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    image.save(path, quality=QUALITY, method=6)
    print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
