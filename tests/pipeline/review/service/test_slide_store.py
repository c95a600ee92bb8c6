"""Slides as a review finds them in an output folder."""

from leukodiff.classifier.facts import CellFacts, CellNote
from leukodiff.pipeline.report.cells import Cell
from leukodiff.pipeline.review.service.slide_store import hashed_form


def test_the_form_of_a_cell_that_records_hash_stays() -> None:
    """Another one, and every review that has begun would seem to be of other cells."""
    facts = CellFacts(70.5, 55.25, 1, CellNote.BLURRED)
    box = (1.0, 2.0, 3.5, 4.0)
    cell = Cell("é.png", "é-1", *box, 0.9, "monocyte", 0.75, (0.25, 0.75), None, facts)
    assert hashed_form(cell) == (
        "Cell(field_id='é.png', cell_id='é-1', x_min=1.0, y_min=2.0, x_max=3.5, y_max=4.0, "
        "detection_confidence=0.9, cell_type='monocyte', confidence=0.75, "
        "probabilities=(0.25, 0.75), reviewed_as=None, facts=CellFacts(cell_um2=70.5, "
        "nucleus_um2=55.25, lobes=1, note='out of focus'), note='', atypical=None, "
        "is_atypical=False)"
    )
