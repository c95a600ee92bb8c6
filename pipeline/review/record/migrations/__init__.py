"""Steps that make the record's tables and triggers, one after the other (Alembic)."""
