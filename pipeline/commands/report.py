"""`leukodiff report` and `explain`: a finished slide reported again, one cell of it explained."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from leukodiff.core.text import printable

from .options import FILE, FOLDER, classifier_option, report_options, report_settings


@click.command()
@click.argument("folders", nargs=-1, required=True, type=FOLDER, metavar="FOLDER...")
@report_options
def report(folders: Sequence[Path], **chosen: Any) -> None:
    """Make the reports and tables of FOLDER again, without looking at the slide anew.

    FOLDER is what analyze wrote: a slide's folder, or a whole output. For another language, other
    reference ranges, a white cell count that came later, or one more format. The cells' pictures
    are cut from the images again: where those have gone, the report goes without.

    Exit status: 0 all made, 1 some could not be, 2 wrong usage.
    """
    from leukodiff.core.errors import LeukodiffError
    from leukodiff.pipeline.runs.rerender import rerender, slide_folders

    settings = report_settings(chosen)
    slides = slide_folders(folders)
    settings.check([path.name for path in slides])
    failed = 0
    for path in slides:
        try:
            made = rerender(path, settings)
        except LeukodiffError as error:
            failed += 1
            click.echo(printable(f"failed: {path.name}: {error}"), err=True)
            continue
        for line in made.warnings:
            click.echo(printable(f"{path.name}: {line}"), err=True)
        click.echo(f"open {click.format_filename(path / 'report.html')}")
    sys.exit(int(failed > 0))


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
