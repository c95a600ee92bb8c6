"""Evaluation of a classifier on labeled cells, its own laboratory's and others'."""
