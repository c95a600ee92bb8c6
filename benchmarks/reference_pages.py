"""Pages of the documentation that are written by the code itself, when the site is built.

`commands.md` is the help of every command, `columns.md` every table's columns in their order with
their types. What they mean is explained in cli.md and output.md. MkDocs calls `on_files`.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from leukodiff.core.text import markdown_table
from leukodiff.pipeline.cli import main

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

TABLES = {
    "slides.csv": "SLIDE_COLUMNS",
    "counts.csv": "COUNT_COLUMNS",
    "cells.csv": "CELL_COLUMNS",
    "fields.csv": "FIELD_COLUMNS",
    "measurements.csv": "MEASUREMENT_COLUMNS",
    "areas.csv": "AREA_COLUMNS",
}


LINKED = ("pipeline/report/adult.toml", "pipeline/report/texts/en.toml")
"""Files of the repository that pages link to: the site has them too."""

REPOSITORY = Path(__file__).parents[1]


def on_files(files: "Files", config: "MkDocsConfig") -> "Files":
    """Adds the two pages, and the files that are linked to."""
    from mkdocs.structure.files import File

    for name in LINKED:
        text = (REPOSITORY / name).read_text(encoding="utf-8")
        files.append(File.generated(config, name, content=text))
    for name, content in (("commands.md", commands_page()), ("columns.md", columns_page())):
        files.append(File.generated(config, name, content=content))
    return files


def on_page_markdown(markdown: str, **_: object) -> str:
    """Links into the repository lead to the site's own copies."""
    return markdown.replace("](../pipeline/", "](pipeline/")


def commands_page() -> str:
    """Every command's help, as the terminal shows it."""
    parts = ["# Every command's help", "What the options mean is explained in [cli.md](cli.md)."]
    for path, command in _commands(main, "leukodiff"):
        context = click.Context(command, info_name=path, max_content_width=88, terminal_width=88)
        parts += [f"## {path}", f"```text\n{command.get_help(context)}\n```"]
    return "\n\n".join(parts) + "\n"


def _commands(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        for name, one in command.commands.items():
            yield from _commands(one, f"{path} {name}")


def columns_page() -> str:
    """Every table's columns, in their order."""
    from leukodiff.datasets.vocabulary import CLASSIFIER_CLASSES
    from leukodiff.pipeline.exports import tables

    parts = ["# Every column", "What they mean is explained in [output.md](output.md)."]
    for file, constant in TABLES.items():
        columns = list(getattr(tables, constant))
        if file == "cells.csv":
            columns += [f"p_{name}" for name in CLASSIFIER_CLASSES] + list(tables.FACT_COLUMNS)
        rows = [(i, f"`{name}`", _kind(name)) for i, name in enumerate(columns, start=1)]
        parts += [f"## {file}", markdown_table(("", "column", "holds"), rows)]
    return "\n\n".join(parts) + "\n"


def _kind(column: str) -> str:
    from leukodiff.pipeline.runs import results as frames

    if column in frames.WORDS:
        return "text"
    if column in frames.YES_OR_NO:
        return "yes or no"
    return "a whole number" if column in frames.WHOLE else "a number"
