"""Errors that leukodiff raises on purpose: each names the file and says what to do."""


class LeukodiffError(Exception):
    """Base of every error that is ours; its text is one line fit for a person to read."""


class InputError(LeukodiffError):
    """Wrong usage, or an input that can't be read at all (exit status 2)."""


class DataError(LeukodiffError):
    """A dataset is missing, incomplete or not laid out as published."""


class ModelFileError(LeukodiffError):
    """A model file or its metadata is missing, damaged, or not what was asked for."""
