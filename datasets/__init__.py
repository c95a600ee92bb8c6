"""Public datasets on disk in, labelled fields and cells out; the vocabulary, the splits, the phantom."""
