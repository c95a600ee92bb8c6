"""What a report says in words, in a language of choice: TOML files that a laboratory can edit."""

from .texts import LANGUAGES, Texts, load_texts

__all__ = ["LANGUAGES", "Texts", "load_texts"]
