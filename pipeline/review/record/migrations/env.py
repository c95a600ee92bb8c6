"""Alembic's entry: on the connection, and in the transaction, that `database.py` has opened."""

from alembic import context

from leukodiff.pipeline.review.record.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
