-- What people sign in with, as hashes.
CREATE TABLE tokens (
    workspace TEXT    NOT NULL,
    person    TEXT    NOT NULL,
    hash      TEXT    NOT NULL,
    issued    INTEGER NOT NULL,
    PRIMARY KEY (workspace, person)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX tokens_by_hash ON tokens (workspace, hash);
