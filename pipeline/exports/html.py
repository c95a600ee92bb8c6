"""The report a person reads: one HTML file that needs no other file."""

import base64
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from leukodiff.pipeline.report.report import SmearReport

from .formatting import text_color_on
from .report_view import ReportOptions, report_view
from .values import AXIS_TICKS, on_axis

if TYPE_CHECKING:
    from jinja2 import Template

TEMPLATES = Path(__file__).with_name("templates")

PADDING_PERCENT = 3.0
"""Room at both ends of an axis, percent of the drawing: for half a label."""


def report_html(
    report: SmearReport,
    crops: Mapping[str, bytes],
    views: Mapping[str, bytes] | None = None,
    options: ReportOptions | None = None,
) -> str:
    """A slide's report, from what `report_view` takes; English with hints without `options`."""
    view = report_view(report, crops, views or {}, options or ReportOptions())
    return report_template().render(
        view=view,
        t=view.texts,
        text_color=text_color_on,
        base64=lambda jpeg: base64.b64encode(jpeg).decode("ascii"),
        at=_at,
        share_at=lambda percent: _at(on_axis(percent)),
        ticks=AXIS_TICKS,
    )


def _at(place: float) -> float:
    """A place on an axis, 0-1, as percent of the drawing."""
    return round(PADDING_PERCENT + (100 - 2 * PADDING_PERCENT) * place, 2)


@cache
def report_template() -> "Template":
    """The report's template, read once."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # takes a tenth of a second

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html")
