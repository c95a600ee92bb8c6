"""In which words a report is made, and with which of its parts."""

from dataclasses import dataclass, field

from leukodiff.pipeline.report.texts import Texts, load_texts


@dataclass(frozen=True)
class ReportOptions:
    """The report's language, and whether it says what a flagged value may go with."""

    texts: Texts = field(default_factory=load_texts)
    hints: bool = True
