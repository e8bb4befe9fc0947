-- What a front end of another service was handed. The body goes when it is done;
-- the id stays, so that the same is not handled again.
CREATE TABLE deliveries (
    seq       INTEGER PRIMARY KEY AUTOINCREMENT,
    workspace TEXT    NOT NULL,
    source    TEXT    NOT NULL,
    id        TEXT    NOT NULL,
    queue     TEXT    NOT NULL,
    body      BLOB,
    at        INTEGER NOT NULL,
    done      INTEGER,
    UNIQUE (workspace, source, id)
) STRICT;
CREATE INDEX deliveries_waiting ON deliveries (workspace, source, seq) WHERE done IS NULL;

-- What is shown in another service: by which process until when, and when all of
-- it had been shown.
CREATE TABLE shows (
    workspace TEXT    NOT NULL,
    source    TEXT    NOT NULL,
    about     TEXT    NOT NULL,
    holder    TEXT    NOT NULL,
    until     INTEGER NOT NULL,
    over      INTEGER,
    PRIMARY KEY (workspace, source, about)
) STRICT, WITHOUT ROWID;

-- Where the messages stand that show it.
CREATE TABLE posts (
    workspace TEXT NOT NULL,
    source    TEXT NOT NULL,
    about     TEXT NOT NULL,
    key       TEXT NOT NULL,
    place     TEXT NOT NULL,
    ref       TEXT NOT NULL,
    PRIMARY KEY (workspace, source, about, key)
) STRICT, WITHOUT ROWID;
