"""A slide in, a smear report and its exports out.

The names for other programs stand here, each loaded when it is first asked for:

    from leukodiff.pipeline import analyze, read_results

    analyze("smear/", "results")
    print(read_results("results").counts)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .analysis.models import Models, load_models
    from .exports.bundle import ReportSettings
    from .report.sample import Sample
    from .runs.analyze import AnalyzeSettings, OnProgress, RunSummary, analyze
    from .runs.results import Results, read_results

__all__ = [
    "AnalyzeSettings",
    "Models",
    "OnProgress",
    "ReportSettings",
    "Results",
    "RunSummary",
    "Sample",
    "analyze",
    "load_models",
    "read_results",
]

_MODULES = {
    "AnalyzeSettings": ".runs.analyze",
    "Models": ".analysis.models",
    "OnProgress": ".runs.analyze",
    "ReportSettings": ".exports.bundle",
    "Results": ".runs.results",
    "RunSummary": ".runs.analyze",
    "analyze": ".runs.analyze",
    "Sample": ".report.sample",
    "load_models": ".analysis.models",
    "read_results": ".runs.results",
}
"""Module of each name."""


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name], __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
