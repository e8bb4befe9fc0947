-- works beside: 5
-- What a front end of another service was handed. The body goes when it is done;
-- the id stays, so that the same is not handled again.
-- n is its place among those that were kept at the same time.
CREATE TABLE deliveries (
    workspace text        NOT NULL,
    source    text        NOT NULL,
    id        text        NOT NULL,
    queue     text        NOT NULL,
    body      bytea,
    at        timestamptz NOT NULL,
    n         int         NOT NULL,
    done      timestamptz,
    PRIMARY KEY (workspace, source, id)
);
CREATE INDEX deliveries_waiting ON deliveries (workspace, source, at, n) WHERE done IS NULL;

-- What is shown in another service: by which process until when, and when all of
-- it had been shown.
CREATE TABLE shows (
    workspace text        NOT NULL,
    source    text        NOT NULL,
    about     text        NOT NULL,
    holder    text        NOT NULL,
    until     timestamptz NOT NULL,
    over      timestamptz,
    PRIMARY KEY (workspace, source, about)
);

-- Where the messages stand that show it.
CREATE TABLE posts (
    workspace text NOT NULL,
    source    text NOT NULL,
    about     text NOT NULL,
    key       text NOT NULL,
    place     text NOT NULL,
    ref       text NOT NULL,
    PRIMARY KEY (workspace, source, about, key)
);

SELECT protect('deliveries', 'SELECT, INSERT, UPDATE, DELETE');
SELECT protect('shows', 'SELECT, INSERT, UPDATE, DELETE');
SELECT protect('posts', 'SELECT, INSERT, UPDATE, DELETE');
