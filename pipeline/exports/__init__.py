"""A smear report in, a file's content out: pure functions, one module a format."""
