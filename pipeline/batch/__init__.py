"""A run over many slides: what is to be done, who does it, what becomes of it."""
