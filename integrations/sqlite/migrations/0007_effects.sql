-- An effect's fence rises with every attempt and every decision on it; what an
-- older attempt has to say is refused. undo_until ends the offer to take it
-- back. resolution is what a person found out about an unknown effect, as JSON.
ALTER TABLE effects ADD COLUMN fence      INTEGER NOT NULL DEFAULT 1;
ALTER TABLE effects ADD COLUMN attempts   INTEGER NOT NULL DEFAULT 1;
ALTER TABLE effects ADD COLUMN undo_until INTEGER;
ALTER TABLE effects ADD COLUMN resolution TEXT;
UPDATE effects SET undo_until = settled + 900000000 WHERE undo_tool <> '';
-- The few that wait for an outcome or a person.
CREATE INDEX effects_open ON effects (workspace, state, intended) WHERE state IN ('intent', 'unknown');

-- What people have stopped. A row is in force from its commit to its end.
CREATE TABLE pauses (
    workspace TEXT    NOT NULL,
    scope     TEXT    NOT NULL,
    target    TEXT    NOT NULL,
    by        TEXT    NOT NULL,
    name      TEXT    NOT NULL,
    reason    TEXT    NOT NULL,
    at        INTEGER NOT NULL,
    PRIMARY KEY (workspace, scope, target)
) STRICT, WITHOUT ROWID;
