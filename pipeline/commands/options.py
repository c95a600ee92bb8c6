"""Options that several commands share, and the settings that are made of them."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from leukodiff.pipeline.runs.crash_log import FIELD_TIMEOUT_S

if TYPE_CHECKING:
    from leukodiff.datasets.fields import LabeledField
    from leukodiff.pipeline.exports.bundle import ReportSettings

Command = TypeVar("Command", bound=Callable[..., Any])

FILE = click.Path(path_type=Path, dir_okay=False)
FOLDER = click.Path(path_type=Path, file_okay=False)

SPLITS = ("train", "val", "test")
ENGINES = ("openvino", "onnxruntime")


def together(*options: Callable[[Any], Any]) -> Callable[[Command], Command]:
    """One decorator of several options, which the help shows in this order."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def out_option(what: str) -> Callable[[Command], Command]:
    """`--out`, the folder that a command writes."""
    return click.option("--out", type=FOLDER, required=True, help=what)


detector_option = click.option(
    "--detector", type=FILE, help="Detector (ONNX).  [default: the shipped one]"
)

classifier_option = click.option(
    "--classifier", type=FILE, help="Classifier (ONNX).  [default: the shipped one]"
)

engine_option = click.option(
    "--engine",
    type=click.Choice(ENGINES),
    default=ENGINES[0],
    show_default=True,
    help="What runs the models: openvino on a CPU, onnxruntime on a GPU.",
)

engine_options = together(
    engine_option,
    click.option("--threads", type=click.IntRange(min=1), help="Cores to use.  [default: all]"),
)
"""Engine of the models, and the number of cores for it."""


class Place(click.Path):
    """A path, or the URL of a place in an object store."""

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """A path; a URL stays text."""
        is_url = isinstance(value, str) and "://" in value
        return value if is_url else super().convert(value, param, ctx)


workers_option = click.option(
    "--workers",
    "--threads",
    "threads",
    type=click.IntRange(min=1),
    help="Fields, or pieces of scans, read at a time.  [default: one a core]",
)


def data_options(*defaults: str) -> Callable[[Command], Command]:
    """`--data` and `--official-labels`: the labeled fields a command works on."""
    return together(
        click.option(
            "--data",
            multiple=True,
            default=defaults,
            show_default=True,
            metavar="NAME[=FOLDER]",
            help="A dataset of `data list`, or `table=FOLDER` for your own; may be repeated.",
        ),
        click.option(
            "--official-labels",
            is_flag=True,
            help="BCCD's labels as published, without the erratum.",
        ),
    )


json_option = click.option("--json", "json_file", type=FILE, help="Write the figures here too.")

split_option = click.option(
    "--split",
    type=click.Choice(SPLITS),
    default="test",
    show_default=True,
    help="The part of each dataset to measure on.",
)

scale_option = click.option(
    "--um-per-px",
    type=click.FloatRange(0, min_open=True),
    help="Scale (um/px) of the fields that have none of their own.",
)


report_options = together(
    click.option("--reference", type=FILE, help="Your reference ranges (TOML).  [default: adults]"),
    click.option(
        "--wbc-count", type=float, help="The analyzer's white cells, 10^9/L: adds counts in blood."
    ),
    click.option(
        "--sex", type=click.Choice(["female", "male"]), help="For ranges that ask for it."
    ),
    click.option("--age", type=float, help="In years, for ranges that ask for it."),
    click.option("--sample-id", default="", help="What the laboratory calls the sample."),
    click.option("--samples", type=FILE, help="A table (CSV) of all this, a row a slide."),
    click.option(
        "--interval",
        type=click.Choice(["exact", "wilson", "simultaneous"]),
        default="exact",
        show_default=True,
        help="How the 95 % intervals are made.",
    ),
    click.option(
        "--precision",
        type=float,
        metavar="POINTS",
        help="Say how many cells it takes to know each share to +-POINTS (percentage points).",
    ),
    click.option(
        "--confusion",
        type=FILE,
        help="How often the classifier errs in your laboratory: confusion.csv of evaluate pipeline."
        "  [default: on its validation cells]",
    ),
    click.option(
        "--language",
        default="en",
        show_default=True,
        metavar="CODE|FILE",
        help="Of the report: de, en, fr, or your own file of texts.",
    ),
    click.option("--no-hints", is_flag=True, help="Don't say what a flagged value may go with."),
    click.option(
        "--export",
        "exports",
        multiple=True,
        type=click.Choice(["pdf", "xlsx", "fhir", "hl7"]),
        help="Make the report as this too; may be repeated.",
    ),
)
"""Contents and form of a report; `report_settings` gathers it."""

prior_option = click.option(
    "--prior",
    type=click.Choice(["routine", "marrow", "none"]),
    default="routine",
    show_default=True,
    help="What the smear is of: blood, in which immature granulocytes and erythroblasts are rare; "
    "marrow; or none: every type is as likely.",
)

analysis_options = together(
    click.option("--per-image", is_flag=True, help="Make every image a slide of its own."),
    click.option(
        "--um-per-px",
        type=float,
        help="Scale of the images.  [default: from the file, else from the cells]",
    ),
    click.option("--overwrite", is_flag=True, help="Make slides anew that were made otherwise."),
    click.option(
        "--no-overlays", is_flag=True, help="Draw no pictures of the fields: faster, smaller."
    ),
    click.option("--target-cells", type=click.IntRange(min=1), help="Stop at so many white cells."),
    click.option(
        "--full-pass", is_flag=True, help="Scans: detect everywhere, without a first look: slower."
    ),
    click.option(
        "--all-areas", is_flag=True, help="Read empty, thick and blurred fields and areas too."
    ),
    prior_option,
    click.option("--retry-failed", is_flag=True, help="Try slides again that failed before."),
    click.option(
        "--field-timeout",
        type=click.FloatRange(min=1),
        default=FIELD_TIMEOUT_S,
        show_default=True,
        metavar="SECONDS",
        help="Give a field up that takes so long, or a scan that does not get on.",
    ),
    report_options,
    detector_option,
    classifier_option,
    engine_option,
    workers_option,
)
"""Settings of an analysis, and of the reports that it writes."""


def report_settings(chosen: dict[str, Any]) -> ReportSettings:
    """Settings of a report; takes the values of `report_options` out of a command's arguments."""
    from leukodiff.pipeline.exports.bundle import ReportSettings
    from leukodiff.pipeline.report.sample import Sample

    sample = Sample(
        sample_id=chosen.pop("sample_id"),
        sex=chosen.pop("sex") or "",
        age_years=chosen.pop("age"),
        wbc_count=chosen.pop("wbc_count"),
    )
    kept = ("interval", "reference", "language", "exports", "samples", "confusion", "precision")
    given = {name: chosen.pop(name) for name in kept}
    return ReportSettings(hints=not chosen.pop("no_hints"), sample=sample, **given)


def labeled_fields(
    data: Sequence[str],
    official_labels: bool = False,
    split: str | None = None,
    um_per_px: float | None = None,
) -> list[LabeledField]:
    """The fields of each `NAME` or `NAME=FOLDER`, all of them or those of one split.

    `um_per_px` is the scale of those that have none of their own.
    """
    from dataclasses import replace

    fields = []
    for text in data:
        name, _, folder = text.partition("=")
        fields += _load(name, Path(folder) if folder else None, official_labels)
    return [
        replace(field, um_per_px=field.um_per_px or um_per_px)
        for field in fields
        if split in (None, field.split)
    ]


def command_line() -> str:
    """The command as it was typed, for the record of what it makes."""
    return shlex.join(["leukodiff", *sys.argv[1:]])


def _load(name: str, root: Path | None, official_labels: bool) -> list[LabeledField]:
    from leukodiff.datasets.bccd import load_bccd
    from leukodiff.datasets.registry import dataset_root, load_dataset
    from leukodiff.datasets.table import load_table

    if name == "table":
        return load_table(root or Path())
    if name == "bccd" and official_labels:
        return load_bccd(dataset_root(name, root), erratum=False)
    return load_dataset(name, root)
