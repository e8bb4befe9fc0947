-- works beside: 7
-- What people thought of an answer, one row a person and turn. Name and comment go
-- when the person asks for it; the verdict stays.
CREATE TABLE ratings (
    workspace text        NOT NULL,
    turn      text        NOT NULL,
    by        text        NOT NULL,
    name      text        NOT NULL,
    good      boolean     NOT NULL,
    reasons   text        NOT NULL,
    text      text        NOT NULL,
    model     text        NOT NULL,
    prompt    text        NOT NULL,
    at        timestamptz NOT NULL,
    PRIMARY KEY (workspace, turn, by)
);
CREATE INDEX ratings_by_time ON ratings (workspace, at);

-- Minutes and what people did about them; body is all of it as JSON.
CREATE TABLE reviews (
    workspace text        NOT NULL,
    id        text        NOT NULL,
    turn      text        NOT NULL,
    state     text        NOT NULL,
    created   timestamptz NOT NULL,
    body      text        NOT NULL,
    PRIMARY KEY (workspace, id)
);
CREATE INDEX reviews_by_turn ON reviews (workspace, turn, created);

-- Where Sous was installed. sealed holds the credentials under the key of the store.
CREATE TABLE installations (
    workspace  text        NOT NULL,
    system     text        NOT NULL,
    team       text        NOT NULL,
    name       text        NOT NULL,
    enterprise text        NOT NULL,
    org        boolean     NOT NULL,
    app        text        NOT NULL,
    bot        text        NOT NULL,
    scopes     text        NOT NULL,
    by         text        NOT NULL,
    at         timestamptz NOT NULL,
    expires    timestamptz,
    sealed     bytea       NOT NULL,
    PRIMARY KEY (workspace, system, team)
);

SELECT protect('ratings', 'SELECT, INSERT, UPDATE');
SELECT protect('reviews', 'SELECT, INSERT, UPDATE');
SELECT protect('installations', 'SELECT, INSERT, UPDATE, DELETE');

-- A starting process has to know of every installation.
CREATE POLICY watch ON installations FOR SELECT TO sous_watch USING (current_user = 'sous_watch');
GRANT SELECT ON installations TO sous_watch;
