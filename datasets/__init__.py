"""Public datasets on disk in, labelled fields out; the vocabulary, splits, the phantom."""
