"""The PostgreSQL trigger that notifies the server of new rows in the outbox."""

from __future__ import annotations

from django.db import connections, transaction

from .centrifugo import outbox_config
from .models import OutboxEntry

#: One notification per partition and statement: a trigger for each row costs ten times as much. Negative partitions are
#: left out, because the server would log an error.
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
    """Report whether the trigger exists and is enabled."""
    with connections[outbox_config.database()].cursor() as cursor:
        cursor.execute(
            "SELECT 1 FROM pg_trigger WHERE tgname = 'instant_outbox_notify' AND tgrelid = %s::regclass "
            "AND tgenabled <> 'D'",
            [OutboxEntry._meta.db_table],
        )
        return cursor.fetchone() is not None


def make() -> None:
    """Create or replace the trigger, and notify the server of rows that wait. No row is changed."""
    database = outbox_config.database()
    with transaction.atomic(database), connections[database].cursor() as cursor:
        cursor.execute(CREATE)
        cursor.execute(
            "SELECT pg_notify('instant_outbox', partition::text) FROM "
            "(SELECT DISTINCT partition FROM instant_outboxentry WHERE partition >= 0) AS waiting"
        )
