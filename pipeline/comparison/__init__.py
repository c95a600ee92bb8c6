"""Two readings of the same blood compared: counts, cells both read, methods over many slides."""
