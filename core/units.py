"""Physical sizes that several rooms share."""

CROP_UM = 24.0
"""Side of the crop of a cell, um: the largest white cells fit, and sizes compare."""

RED_CELL_UM = 7.5
"""Mean diameter of a red cell on a dried smear, um (7.2-7.5: Bain, Blood Cells, 5th ed., 2015)."""
