-- What people thought of an answer, one row a person and turn. Name and comment go
-- when the person asks for it; the verdict stays.
CREATE TABLE ratings (
    workspace TEXT    NOT NULL,
    turn      TEXT    NOT NULL,
    by        TEXT    NOT NULL,
    name      TEXT    NOT NULL,
    good      INTEGER NOT NULL,
    reasons   TEXT    NOT NULL,
    text      TEXT    NOT NULL,
    model     TEXT    NOT NULL,
    prompt    TEXT    NOT NULL,
    at        INTEGER NOT NULL,
    PRIMARY KEY (workspace, turn, by)
) STRICT, WITHOUT ROWID;
CREATE INDEX ratings_by_time ON ratings (workspace, at);

-- Minutes and what people did about them; body is all of it as JSON.
CREATE TABLE reviews (
    workspace TEXT    NOT NULL,
    id        TEXT    NOT NULL,
    turn      TEXT    NOT NULL,
    state     TEXT    NOT NULL,
    created   INTEGER NOT NULL,
    body      TEXT    NOT NULL,
    PRIMARY KEY (workspace, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX reviews_by_turn ON reviews (workspace, turn, created);

-- Where Sous was installed. sealed holds the credentials under the key of the store.
CREATE TABLE installations (
    workspace  TEXT    NOT NULL,
    system     TEXT    NOT NULL,
    team       TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    enterprise TEXT    NOT NULL,
    org        INTEGER NOT NULL,
    app        TEXT    NOT NULL,
    bot        TEXT    NOT NULL,
    scopes     TEXT    NOT NULL,
    by         TEXT    NOT NULL,
    at         INTEGER NOT NULL,
    expires    INTEGER,
    sealed     BLOB    NOT NULL,
    PRIMARY KEY (workspace, system, team)
) STRICT, WITHOUT ROWID;
