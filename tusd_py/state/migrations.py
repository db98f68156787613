"""Brings the schema up to date, one numbered step at a time."""

import fcntl
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlite_utils import Database, Migrations

from tusd_py.errors import DataDirectoryError
from tusd_py.state import usage_schema

migrations = Migrations("tusd_py")


@migrations()
def m001_uploads(db: Database) -> None:
    """
    Create the tables. Times are milliseconds since the epoch, lengths and offsets bytes.

    The same text runs on PostgreSQL but for the partial indexes' order.
    """
    db.execute(
        """
        CREATE TABLE upload (
            id          TEXT   NOT NULL PRIMARY KEY,
            owner       TEXT   NOT NULL DEFAULT '',
            length      BIGINT,                      -- NULL while deferred
            "offset"    BIGINT NOT NULL DEFAULT 0,   -- every byte before it is durable
            metadata    TEXT,                        -- Upload-Metadata as sent
            concat      TEXT,                        -- Upload-Concat as sent
            state       TEXT   NOT NULL,
            created_at  BIGINT NOT NULL,
            touched_at  BIGINT NOT NULL,
            expires_at  BIGINT,
            finished_at BIGINT,
            epoch       BIGINT NOT NULL DEFAULT 0    -- of the hold that last moved the offset
        )
        """
    )
    db.execute(
        """
        CREATE TABLE part (
            final_id  TEXT    NOT NULL,
            position  INTEGER NOT NULL,
            upload_id TEXT    NOT NULL,
            PRIMARY KEY (final_id, position)
        )
        """
    )
    db.execute("CREATE INDEX upload_state_expires_at ON upload (state, expires_at)")
    db.execute("CREATE INDEX upload_owner_state ON upload (owner, state)")
    db.execute("CREATE INDEX upload_created_at ON upload (created_at)")
    db.execute("CREATE INDEX upload_epoch ON upload (epoch)")
    db.execute("CREATE INDEX part_upload_id ON part (upload_id)")


@migrations()
def m002_address(db: Database) -> None:
    """
    Keep where an unfinished upload was created from, where uploads are counted by that.

    What is finished, expired or not counted has none, so the index holds what is counted alone.
    """
    db.execute("ALTER TABLE upload ADD COLUMN address TEXT")
    db.execute("CREATE INDEX upload_address ON upload (address) WHERE address IS NOT NULL")


@migrations()
def m003_outbox(db: Database) -> None:
    """
    Keep what is still to be told of uploads: a row for each event, and one for each of its ways.

    It speaks of uploads that may be gone, so nothing here rests on their rows. A sequence is never
    given twice, and what a hook is told goes by it.
    """
    db.execute(
        """
        CREATE TABLE outbox (
            sequence   INTEGER PRIMARY KEY AUTOINCREMENT,
            event_id   TEXT   NOT NULL,
            upload_id  TEXT   NOT NULL,
            point      TEXT   NOT NULL,
            payload    TEXT   NOT NULL,              -- the JSON that is told
            created_at BIGINT NOT NULL
        )
        """
    )
    db.execute(
        """
        CREATE TABLE delivery (
            target     TEXT    NOT NULL,             -- the hook that is told
            upload_id  TEXT    NOT NULL,
            sequence   INTEGER NOT NULL,             -- of the event
            state      TEXT    NOT NULL DEFAULT 'pending',  -- or 'dead'
            attempts   INTEGER NOT NULL DEFAULT 0,
            since      BIGINT  NOT NULL,             -- when the attempts began
            next_at    BIGINT  NOT NULL,
            last_error TEXT,
            PRIMARY KEY (target, upload_id, sequence)
        )
        """
    )
    db.execute(
        """
        CREATE TABLE hook (
            target TEXT NOT NULL PRIMARY KEY,        -- whom the server tells
            points TEXT NOT NULL                     -- of what, with commas
        )
        """
    )
    db.execute("CREATE INDEX outbox_event_id ON outbox (event_id)")
    db.execute("CREATE INDEX delivery_sequence ON delivery (sequence)")
    db.execute(
        "CREATE INDEX delivery_due ON delivery (target, next_at, sequence) WHERE state = 'pending'"
    )


@migrations()
def m004_verdicts(db: Database) -> None:
    """Keep where an upload is published, and why one was rejected."""
    db.execute("ALTER TABLE upload ADD COLUMN path TEXT")
    db.execute("ALTER TABLE upload ADD COLUMN rejection TEXT")


@migrations()
def m005_usage(db: Database) -> None:
    """Count what each owner and each address has, from now on and what is there already."""
    for statement in usage_schema.STATEMENTS:
        db.execute(statement)


def known_steps() -> set[str]:
    """Return the names of all steps there are."""
    with closing(sqlite3.connect(":memory:")) as empty:
        return {step.name for step in migrations.pending(Database(empty))}


def migrate(connection: sqlite3.Connection, lock_file: Path) -> list[str]:
    """
    Apply the steps that are missing and return their names.

    Two processes that start at once would both find a step missing, and the second would fail
    at "table already exists"; so one waits for the other at *lock_file*.

    Raises:
        sqlite3.Error: A step failed; it is rolled back, and earlier steps stay.
        DataDirectoryError: A later version of tusd_py has been here.
    """
    with lock_file.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        db = Database(connection)
        pending: list[Any] = migrations.pending(db)
        applied: list[Any] = migrations.applied(db)
        known = known_steps()
        if unknown := [step.name for step in applied if step.name not in known]:
            raise DataDirectoryError(
                f"The state file was migrated by a later tusd_py (step {unknown[0]}):"
                " run that version, or restore the backup made before the upgrade."
            )
        migrations.apply(db)
        return [step.name for step in pending]
