-- The yeses an approval has got. person is the human behind the account, so
-- nobody counts twice, whatever the code does; body is the vote as JSON.
CREATE TABLE approval_votes (
    workspace TEXT    NOT NULL,
    approval  TEXT    NOT NULL,
    person    TEXT    NOT NULL,
    -- n orders the votes of an approval, from 1.
    n         INTEGER NOT NULL,
    body      TEXT    NOT NULL,
    PRIMARY KEY (workspace, approval, person)
) STRICT, WITHOUT ROWID;
