"""Reads a little of all that is in a state file, as a start can afford; `salvage` reads it all."""

import sqlite3

#: Each is answered from another table or index, without going through it.
_QUESTIONS = (
    "SELECT * FROM upload",
    "SELECT max(id) FROM upload",
    "SELECT max(created_at) FROM upload",
    "SELECT max(epoch) FROM upload",
    "SELECT max(owner) FROM upload",
    "SELECT max(expires_at) FROM upload WHERE state = 'open'",
    "SELECT max(address) FROM upload WHERE address IS NOT NULL",
    "SELECT * FROM part",
    "SELECT max(final_id) FROM part",
    "SELECT max(upload_id) FROM part",
    "SELECT * FROM usage",
    "SELECT max(at) FROM creation",
)


def look(db: sqlite3.Connection) -> None:
    """
    Let a damaged file be refused rather than served, as far as that shows at once.

    Raises:
        sqlite3.DatabaseError: It is damaged.
    """
    for question in _QUESTIONS:
        db.execute(question).fetchone()
