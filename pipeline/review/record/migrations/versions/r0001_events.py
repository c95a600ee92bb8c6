"""The log of events, its head, and the worklist; what the database itself refuses.

The log can only be added to, at its end, by an event that names the last one's hash. The head goes
forward one by one. Neither can be changed or emptied by any statement, short of taking the
triggers away.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SQLITE = """
CREATE TRIGGER events_no_update BEFORE UPDATE ON events
BEGIN SELECT RAISE(ABORT, 'events are never changed'); END;
CREATE TRIGGER events_no_delete BEFORE DELETE ON events
BEGIN SELECT RAISE(ABORT, 'events are never deleted'); END;
CREATE TRIGGER events_in_order BEFORE INSERT ON events
WHEN NOT EXISTS (SELECT 1 FROM head WHERE number = NEW.number - 1 AND hash = NEW.previous)
BEGIN SELECT RAISE(ABORT, 'an event follows the last one'); END;
CREATE TRIGGER head_forward BEFORE UPDATE ON head
WHEN NEW.id <> OLD.id OR NEW.number <> OLD.number + 1
    OR NOT EXISTS (SELECT 1 FROM events WHERE number = NEW.number AND hash = NEW.hash)
BEGIN SELECT RAISE(ABORT, 'the head goes forward'); END;
CREATE TRIGGER head_no_delete BEFORE DELETE ON head
BEGIN SELECT RAISE(ABORT, 'the head is never deleted'); END;
CREATE TRIGGER head_one BEFORE INSERT ON head
WHEN EXISTS (SELECT 1 FROM head)
BEGIN SELECT RAISE(ABORT, 'there is one head'); END;
"""

POSTGRESQL = """
CREATE FUNCTION leukodiff_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION '% are never changed or deleted', TG_TABLE_NAME; END $$;
CREATE FUNCTION leukodiff_in_order() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM head WHERE number = NEW.number - 1 AND hash = NEW.previous) THEN
        RAISE EXCEPTION 'an event follows the last one';
    END IF;
    RETURN NEW;
END $$;
CREATE FUNCTION leukodiff_forward() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.id <> OLD.id OR NEW.number <> OLD.number + 1
        OR NOT EXISTS (SELECT 1 FROM events WHERE number = NEW.number AND hash = NEW.hash) THEN
        RAISE EXCEPTION 'the head goes forward';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER events_no_change BEFORE UPDATE OR DELETE ON events
    FOR EACH ROW EXECUTE FUNCTION leukodiff_refuse();
CREATE TRIGGER events_no_truncate BEFORE TRUNCATE ON events
    FOR EACH STATEMENT EXECUTE FUNCTION leukodiff_refuse();
CREATE TRIGGER events_in_order BEFORE INSERT ON events
    FOR EACH ROW EXECUTE FUNCTION leukodiff_in_order();
CREATE TRIGGER head_forward BEFORE UPDATE ON head
    FOR EACH ROW EXECUTE FUNCTION leukodiff_forward();
CREATE TRIGGER head_no_delete BEFORE DELETE ON head
    FOR EACH ROW EXECUTE FUNCTION leukodiff_refuse();
CREATE TRIGGER head_no_truncate BEFORE TRUNCATE ON head
    FOR EACH STATEMENT EXECUTE FUNCTION leukodiff_refuse();
"""


def upgrade() -> None:
    """Make the tables, the head before the first event, and the triggers."""
    op.create_table(
        "events",
        sa.Column("number", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("slide", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("at", sa.String(32), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("previous", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_events"),
    )
    op.create_index("ix_events_slide_number", "events", ["slide", "number"])
    op.create_index("uq_events_slide_version", "events", ["slide", "version"], unique=True)
    op.create_table(
        "head",
        sa.Column("id", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_head"),
        sa.CheckConstraint("id = 1", name=op.f("ck_head_one")),
    )
    op.create_table(
        "slides",
        sa.Column("slide", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("folder", sa.Text, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("at", sa.String(32), nullable=False),
        sa.Column("n_cells", sa.Integer, nullable=False),
        sa.Column("summary", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("slide", name="pk_slides"),
    )
    first = sa.table("head", *(sa.column(name) for name in ("id", "number", "hash")))
    op.execute(first.insert().values(id=1, number=0, hash="0" * 64))
    triggers = SQLITE if op.get_bind().dialect.name == "sqlite" else POSTGRESQL
    for one in triggers.split("\nCREATE "):  # a statement starts where a line starts with CREATE
        if one.strip():
            op.get_bind().exec_driver_sql(f"CREATE {one.strip()}".replace("%", "%%"))
