"""Crops of white cells in, calibrated cell types out."""
