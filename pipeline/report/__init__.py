"""Cells of a slide -> counts, intervals, reference ranges, flags."""
