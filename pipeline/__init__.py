"""A slide in, a smear report and its exports out.

What a program of one's own needs is here by name, and loaded when it is first asked for:

    from leukodiff.pipeline import analyze, read_results

    analyze("smear/", "results")
    print(read_results("results").counts)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .analyze import AnalyzeSettings, OnProgress, RunSummary, analyze
    from .frames import Results, read_results
    from .models import Models, load_models
    from .reporting import ReportSettings
    from .sample import Sample

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
    "AnalyzeSettings": ".analyze",
    "Models": ".models",
    "OnProgress": ".analyze",
    "ReportSettings": ".reporting",
    "Results": ".frames",
    "RunSummary": ".analyze",
    "Sample": ".sample",
    "load_models": ".models",
    "read_results": ".frames",
}
"""Where each name stands; `analyze` is not here: it is its module, which can be called."""


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name], __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
