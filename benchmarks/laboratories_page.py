"""The section of docs/results.md on laboratories that the models have never seen."""

from collections.abc import Mapping
from typing import Any

from leukodiff.classifier.evaluation.leave_one_out_table import markdown as classifier_table
from leukodiff.detector.leave_one_out import markdown as detector_table

LABORATORIES = """
## Laboratories it has never seen

Each row that is *left out* is every cell of a laboratory, tested by a model of the same recipe that
was trained on all the other laboratories and has seen nothing of this one: not the shipped weights,
but what they may be expected to do in a new place. *Held out* is what the shipped weights were kept
from in a laboratory that they know. Recall and F1 go by the likeliest of all the model's classes,
"among five" by the likeliest of the five; the first macro-F1 takes the names as given, and a cell
left unidentified as wrong. All of it is with the prior of blood (`--prior routine`). Draaslan is 80
cells of a laboratory that the shipped weights have never seen, typed by our own eye. BCCD's
fold has learned from 48,000 cells and Raabin's from 42,000 more than version 4's: short trainings.
PBC and Chula were left out with version 4 only (likeliest type, macro-F1 0.67 and 0.77,
[attempts.md](attempts.md)). The intervals of macro-F1 come from drawing whole slides
or scenes again (1000 times), the others are exact and take cells for independent.
"""

LABORATORY_NAMES = """
### Names

{table}
"""

LABORATORY_RISK = """
![right of the named over left unidentified](results/laboratories/classifier/risk_coverage.png)
"""

LABORATORY_FINDS = """
### White cells found

{table}

Precision where every cell is boxed.
"""


def laboratories_section(figures: Mapping[str, Any]) -> str:
    """The section, empty where neither model's table was made."""
    names = figures.get("laboratories/classifier/laboratories")
    finds = figures.get("laboratories/detector/laboratories")
    if not names and not finds:
        return ""
    parts = [LABORATORIES]
    if names:
        parts += [LABORATORY_NAMES.format(table=classifier_table(names["rows"])), LABORATORY_RISK]
    if finds:
        parts.append(LABORATORY_FINDS.format(table=detector_table(finds["rows"])))
    return "".join(parts)
