"""
Lays out what counts who has how much: `m005_usage` runs these statements.

The counting is done by triggers, so that whatever changes an upload counts: the server, a command,
a repair. Without a limit that is all that limits cost: measured on a file in memory, the two
commits of an upload that is created and then finished take 146 us with them and 135 us without.

What an upload counts is in two columns that are calculated. A part counts its bytes until there is
a final upload whose length is known and that counts them; so a parallel upload does not need twice
its size, and the same parts in a second final upload count again.
"""

#: Whether a final upload that is there counts the bytes of the part `upload`.
_IN_FINAL = """
    EXISTS (
        SELECT 1 FROM part JOIN upload AS final ON final.id = part.final_id
        WHERE part.upload_id = upload.id AND final.counts_bytes > 0
    )
"""
_COLUMNS = (
    "ALTER TABLE upload ADD COLUMN in_final INTEGER NOT NULL DEFAULT 0",
    """
    ALTER TABLE upload ADD COLUMN counts_open INTEGER
        AS (CASE WHEN state IN ('open', 'concatenating') THEN 1 ELSE 0 END)
    """,
    """
    ALTER TABLE upload ADD COLUMN counts_bytes BIGINT
        AS (CASE WHEN in_final OR state IN ('moved', 'expired', 'rejected') THEN 0
            ELSE coalesce(length, "offset") END)
    """,
)
_TABLES = (
    """
    CREATE TABLE usage (
        kind         TEXT   NOT NULL,                -- 'owner' or 'address'
        name         TEXT   NOT NULL,
        open_uploads BIGINT NOT NULL,
        stored       BIGINT NOT NULL,                -- bytes, those that are reserved included
        PRIMARY KEY (kind, name)
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE creation (                          -- where creations per hour are limited
        kind TEXT   NOT NULL,
        name TEXT   NOT NULL,
        at   BIGINT NOT NULL
    )
    """,
    "CREATE INDEX creation_kind_name_at ON creation (kind, name, at)",
    "CREATE INDEX creation_at ON creation (at)",
)


def _adding(kind: str, name: str, open_uploads: str, stored: str) -> str:
    """Return the statement of a trigger that adds to what *name* has."""
    return f"""
        INSERT INTO usage (kind, name, open_uploads, stored)
        SELECT '{kind}', {name}, {open_uploads}, {stored} WHERE {name} IS NOT NULL
        ON CONFLICT (kind, name) DO UPDATE SET
            open_uploads = open_uploads + excluded.open_uploads, stored = stored + excluded.stored;
    """


def _adding_to_both(row: str, open_uploads: str, stored: str) -> str:
    return _adding("owner", f"{row}.owner", open_uploads, stored) + _adding(
        "address", f"{row}.address", open_uploads, stored
    )


def _moving(kind: str) -> str:
    """Return the trigger for an upload that becomes another's, or nobody's."""
    return f"""
        CREATE TRIGGER usage_of_other_{kind} AFTER UPDATE OF {kind} ON upload
        WHEN OLD.{kind} IS NOT NEW.{kind} AND (OLD.counts_open OR OLD.counts_bytes) BEGIN
            {_adding(kind, f"OLD.{kind}", "-OLD.counts_open", "-OLD.counts_bytes")}
            {_adding(kind, f"NEW.{kind}", "OLD.counts_open", "OLD.counts_bytes")}
        END
    """


_COUNTING = (
    f"""
    CREATE TRIGGER usage_of_new AFTER INSERT ON upload
    WHEN NEW.counts_open OR NEW.counts_bytes BEGIN
        {_adding_to_both("NEW", "NEW.counts_open", "NEW.counts_bytes")}
    END
    """,
    f"""
    CREATE TRIGGER usage_of_changed AFTER UPDATE OF state, length, "offset", in_final ON upload
    WHEN OLD.counts_open <> NEW.counts_open OR OLD.counts_bytes <> NEW.counts_bytes BEGIN
        {
        _adding_to_both(
            "NEW", "NEW.counts_open - OLD.counts_open", "NEW.counts_bytes - OLD.counts_bytes"
        )
    }
    END
    """,
    _moving("owner"),
    _moving("address"),
    f"""
    CREATE TRIGGER usage_of_gone AFTER DELETE ON upload
    WHEN OLD.counts_open OR OLD.counts_bytes BEGIN
        {_adding_to_both("OLD", "-OLD.counts_open", "-OLD.counts_bytes")}
    END
    """,
    """
    CREATE TRIGGER usage_of_nothing AFTER UPDATE ON usage
    WHEN NEW.open_uploads = 0 AND NEW.stored = 0 BEGIN
        DELETE FROM usage WHERE kind = NEW.kind AND name = NEW.name;
    END
    """,
)
_SET_PARTS_OF = f"""
    UPDATE upload SET in_final = {_IN_FINAL}
    WHERE id IN (SELECT upload_id FROM part WHERE final_id = OLD.id);
"""
_IN_FINALS = (
    """
    CREATE TRIGGER part_of_final AFTER INSERT ON part BEGIN
        UPDATE upload SET in_final = 1
        WHERE id = NEW.upload_id AND NOT in_final
            AND EXISTS (SELECT 1 FROM upload WHERE id = NEW.final_id AND counts_bytes > 0);
    END
    """,
    f"""
    CREATE TRIGGER part_of_final_no_more AFTER DELETE ON part BEGIN
        UPDATE upload SET in_final = {_IN_FINAL} WHERE id = OLD.upload_id AND in_final;
    END
    """,
    f"""
    CREATE TRIGGER part_after_final AFTER INSERT ON upload WHEN NEW.concat = 'partial' BEGIN
        UPDATE upload SET in_final = 1 WHERE id = NEW.id AND {_IN_FINAL};
    END
    """,
    f"""
    CREATE TRIGGER part_of_changed AFTER UPDATE OF state, length ON upload
    WHEN NEW.concat <> 'partial' AND (OLD.counts_bytes > 0) <> (NEW.counts_bytes > 0) BEGIN
        {_SET_PARTS_OF}
    END
    """,
    f"""
    CREATE TRIGGER part_of_gone AFTER DELETE ON upload
    WHEN OLD.concat <> 'partial' AND OLD.counts_bytes > 0 BEGIN
        {_SET_PARTS_OF}
    END
    """,
)
#: Sets right which parts are in final uploads; changes no row that is right.
SET_IN_FINAL = f"UPDATE upload SET in_final = {_IN_FINAL} WHERE in_final <> {_IN_FINAL}"
#: What `usage` has to be, whatever the triggers made of it.
COUNTED = """
    SELECT 'owner' AS kind, owner AS name, sum(counts_open) AS open_uploads,
        sum(counts_bytes) AS stored
    FROM upload GROUP BY owner HAVING sum(counts_open) OR sum(counts_bytes)
    UNION ALL
    SELECT 'address', address, sum(counts_open), sum(counts_bytes)
    FROM upload WHERE address IS NOT NULL
    GROUP BY address HAVING sum(counts_open) OR sum(counts_bytes)
"""
FILL = f"INSERT INTO usage (kind, name, open_uploads, stored) {COUNTED}"

STATEMENTS = (*_COLUMNS, *_TABLES, SET_IN_FINAL, FILL, *_COUNTING, *_IN_FINALS)
