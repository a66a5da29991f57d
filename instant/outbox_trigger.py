"""PostgreSQL's trigger that tells the server of new rows in the outbox."""

from __future__ import annotations

from django.db import connections, transaction

from .centrifugo import outbox_config
from .models import OutboxEntry

#: One call for a statement, a tenth of the cost of one for each row: the server is told once of each partition. Of a
#: negative one it is not told, it would log an error.
CREATE = """
CREATE OR REPLACE FUNCTION instant_outbox_notify() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('instant_outbox', written.partition::text)
        FROM (SELECT DISTINCT partition FROM inserted WHERE partition >= 0) AS written;
    RETURN NULL;
END
$$;
DROP TRIGGER IF EXISTS instant_outbox_notify ON instant_outboxentry;
CREATE TRIGGER instant_outbox_notify AFTER INSERT ON instant_outboxentry
    REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION instant_outbox_notify();
"""
DROP = """
DROP TRIGGER IF EXISTS instant_outbox_notify ON instant_outboxentry;
DROP FUNCTION IF EXISTS instant_outbox_notify();
"""


def is_there() -> bool:
    """Tell whether PostgreSQL wakes the server's consumer when rows are written."""
    with connections[outbox_config.database()].cursor() as cursor:
        cursor.execute(
            "SELECT 1 FROM pg_trigger WHERE tgname = 'instant_outbox_notify' AND tgrelid = %s::regclass "
            "AND tgenabled <> 'D'",
            [OutboxEntry._meta.db_table],
        )
        return cursor.fetchone() is not None


def make() -> None:
    """Make it, or make it again. Rows are left alone; those that wait are told of, too."""
    database = outbox_config.database()
    with transaction.atomic(database), connections[database].cursor() as cursor:
        cursor.execute(CREATE)
        cursor.execute(
            "SELECT pg_notify('instant_outbox', partition::text) FROM "
            "(SELECT DISTINCT partition FROM instant_outboxentry WHERE partition >= 0) AS waiting"
        )
