"""Public datasets on disk in, labeled fields out; the vocabulary, splits, the phantom."""
