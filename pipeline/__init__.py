"""A slide in, a smear report and its exports out."""
