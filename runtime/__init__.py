"""A model file in, a function from arrays to arrays out; and the errors every room raises."""
