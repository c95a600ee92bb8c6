"""Damaged files of every kind that leukodiff reads, and a place where they can do no harm."""
