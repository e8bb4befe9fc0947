-- Whose data must not be erased, and why.
CREATE TABLE holds (
    workspace TEXT    NOT NULL,
    subject   TEXT    NOT NULL,
    by        TEXT    NOT NULL,
    reason    TEXT    NOT NULL,
    at        INTEGER NOT NULL,
    PRIMARY KEY (workspace, subject)
) STRICT, WITHOUT ROWID;
