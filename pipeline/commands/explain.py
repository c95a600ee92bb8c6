"""`leukodiff explain`: one cell, and what in it told the classifier its class."""

from __future__ import annotations

from pathlib import Path

import click

from leukodiff.core.text import printable

from .options import FILE, FOLDER, classifier_option


@click.command()
@click.argument("slide", type=FOLDER)
@click.argument("cell_id")
@click.option("--out", type=FILE, help="The picture, PNG or JPEG.  [default: CELL_ID.png]")
@click.option("--image", type=FILE, help="The cell's image, where it was moved since.")
@classifier_option
def explain(
    slide: Path, cell_id: str, out: Path | None, image: Path | None, classifier: Path | None
) -> None:
    """Show one cell of SLIDE, a slide's folder in the output of analyze, and why it is named so.

    CELL_ID is the cell's in cells.csv. The picture has the cell with the outlines of itself and its
    nucleus, and which parts of it told the classifier its class: those are hidden in turn.
    """
    from leukodiff.classifier.infer import Classifier
    from leukodiff.pipeline.runs.explain import explain as start
    from leukodiff.pipeline.runs.explain import save

    found = start(slide, cell_id, Classifier.load(classifier), image)
    out = out or Path(f"{cell_id}.png")
    save(found.picture, out)
    for line in found.words:
        click.echo(printable(line))
    click.echo(f"open {click.format_filename(out)}")
