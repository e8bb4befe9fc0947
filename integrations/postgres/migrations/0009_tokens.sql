-- works beside: 5
-- What people sign in with, as hashes.
CREATE TABLE tokens (
    workspace text        NOT NULL,
    person    text        NOT NULL,
    hash      text        NOT NULL,
    issued    timestamptz NOT NULL,
    PRIMARY KEY (workspace, person)
);
CREATE UNIQUE INDEX tokens_by_hash ON tokens (workspace, hash);

SELECT protect('tokens', 'SELECT, INSERT, UPDATE, DELETE');
