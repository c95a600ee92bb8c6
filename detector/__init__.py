"""Pixels of a field in, boxes of its cells out."""
