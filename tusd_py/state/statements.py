"""Writes out the statements that the SQLite store runs; what changes may be read beside it."""

from tusd_py.state.rows import COLUMNS, PLACES

INSERT = f"INSERT INTO upload ({COLUMNS}) VALUES ({PLACES})"
FIND = f"SELECT {COLUMNS} FROM upload WHERE id = ?"
FIND_PARTS = "SELECT upload_id FROM part WHERE final_id = ? ORDER BY position"
ADVANCE = f"""
    UPDATE upload SET
        "offset" = :to_offset, length = :length, epoch = :epoch, touched_at = :now,
        state = :state, finished_at = :finished_at,
        address = CASE WHEN NOT :completes OR :keeps_address THEN address END,
        expires_at = CASE WHEN :completes AND concat IS NULL THEN NULL ELSE :expires_at END
    WHERE id = :id AND state = 'open' AND "offset" = :from_offset AND epoch <= :epoch
        AND (length IS NULL OR length = :length)
    RETURNING {COLUMNS}
"""
FINISH_FINAL = f"""
    UPDATE upload SET
        length = :length, "offset" = :length, touched_at = :now,
        state = CASE WHEN :checks THEN 'checking' ELSE 'finished' END,
        finished_at = CASE WHEN NOT :checks THEN :now END,
        expires_at = NULL, address = CASE WHEN :keeps_address THEN address END
    WHERE id = :id AND state = 'concatenating'
    RETURNING {COLUMNS}
"""
FINISH = f"""
    UPDATE upload SET
        state = CASE WHEN :moved THEN 'moved' ELSE 'finished' END,
        finished_at = :now, path = :path
    WHERE id = :id AND state = 'checking'
    RETURNING {COLUMNS}
"""
REJECT = f"""
    UPDATE upload SET state = 'rejected', rejection = :reason, expires_at = :now, address = NULL
    WHERE id = :id AND state IN ('open', 'concatenating', 'checking')
    RETURNING {COLUMNS}
"""
#: Holds for what no living final upload waits for: its parts stay until it is joined.
NOT_NEEDED = """
    NOT EXISTS (
        SELECT 1 FROM part JOIN upload AS final ON final.id = part.final_id
        WHERE part.upload_id = upload.id AND final.state = 'concatenating'
            AND (final.expires_at IS NULL OR final.expires_at > :now)
    )
"""
EXPIRE = f"""
    UPDATE upload SET state = 'expired', address = NULL
    WHERE id = :id AND state IN ('open', 'concatenating', 'finished') AND expires_at <= :now
        AND {NOT_NEEDED}
    RETURNING {COLUMNS}
"""
DUE = f"""
    SELECT {COLUMNS} FROM upload
    WHERE state IN ('open', 'concatenating', 'finished') AND expires_at <= :now AND {NOT_NEEDED}
    ORDER BY expires_at LIMIT :limit
"""
CHECKING = f"SELECT {COLUMNS} FROM upload WHERE state = 'checking' ORDER BY touched_at"
UNFINISHED_FINALS = f"""
    SELECT {COLUMNS} FROM upload WHERE state = 'concatenating' ORDER BY created_at
"""
FINALS_OF = f"""
    SELECT {COLUMNS} FROM upload
    WHERE state NOT IN ('expired', 'rejected')
        AND id IN (SELECT final_id FROM part WHERE upload_id = ?)
    ORDER BY created_at
"""
LIST = f"""
    SELECT {COLUMNS} FROM upload
    WHERE (:state IS NULL OR state = :state) AND (:owner IS NULL OR owner = :owner)
    ORDER BY created_at DESC LIMIT :limit
"""
OLD_TOMBSTONES = "state IN ('expired', 'rejected') AND expires_at < ?"
COUNT_LIVING = """
    SELECT count(*) FROM (
        SELECT 1 FROM upload
        WHERE state IN ('open', 'concatenating', 'checking', 'finished') LIMIT ?
    )
"""
NAMED = f"SELECT {COLUMNS} FROM upload WHERE id >= ? AND id < ? ORDER BY id"
#: Sorts behind every digit of an id.
PAST_HEX = "g"
