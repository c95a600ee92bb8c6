"""Review: a person looks at what was found, corrects it, and signs."""
