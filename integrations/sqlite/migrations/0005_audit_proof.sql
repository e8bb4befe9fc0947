-- The record becomes provable: rows hold commitments in place of their payload,
-- payloads lie sealed beside them, and a Merkle tree grows over the rows. What
-- was recorded before is sealed at opening, which empties audit_before.
DROP TRIGGER audit_keep_rows;
DROP TRIGGER audit_keep_words;
DROP TRIGGER audit_append;
DROP INDEX audit_turn;
DROP INDEX audit_approval;
ALTER TABLE audit RENAME TO audit_before;

-- That the right KEK is at hand: a text only it can open.
CREATE TABLE keyring_check (
    id    INTEGER PRIMARY KEY CHECK (id = 1),
    proof BLOB NOT NULL
) STRICT;

-- The key of each data subject, wrapped by the KEK, which is not in the
-- database. A row deleted here is an erasure; ids are never used twice.
CREATE TABLE subject_keys (
    id        INTEGER PRIMARY KEY,
    workspace TEXT    NOT NULL,
    subject   TEXT    NOT NULL,
    wrapped   BLOB    NOT NULL,
    made      INTEGER NOT NULL,
    UNIQUE (workspace, subject)
) STRICT;

CREATE TABLE audit (
    workspace TEXT    NOT NULL,
    seq       INTEGER NOT NULL,
    at        INTEGER NOT NULL,
    kind      TEXT    NOT NULL,
    actor     TEXT    NOT NULL,
    -- subject is whose key seals the payload; key is its id, 0 without payload.
    subject   TEXT    NOT NULL,
    key       INTEGER NOT NULL,
    turn      TEXT    NOT NULL,
    call      TEXT    NOT NULL,
    tool      TEXT    NOT NULL,
    tier      INTEGER,
    ruling    TEXT    NOT NULL,
    rule      TEXT    NOT NULL,
    approval  TEXT    NOT NULL,
    status    TEXT    NOT NULL,
    -- Commitments under the subject's key: HMAC-SHA256.
    args      BLOB,
    note      BLOB,
    digest    BLOB,
    fields    BLOB,
    PRIMARY KEY (workspace, seq)
) STRICT, WITHOUT ROWID;
-- Two ways in that must stay quick however long the record grows. The other
-- filters walk the rows in order: each index is a page more in every commit.
CREATE INDEX audit_turn ON audit (workspace, turn, seq) WHERE turn <> '';
CREATE INDEX audit_approval ON audit (workspace, approval, seq) WHERE approval <> '';

CREATE TRIGGER audit_keep_rows BEFORE DELETE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit record is append-only');
END;
CREATE TRIGGER audit_keep_words BEFORE UPDATE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit record is append-only');
END;
-- INSERT OR REPLACE deletes without asking the trigger above; a row may only
-- come right after the last one.
CREATE TRIGGER audit_append BEFORE INSERT ON audit
WHEN NEW.seq IS NOT (SELECT COALESCE(MAX(seq), 0) + 1 FROM audit WHERE workspace = NEW.workspace)
BEGIN
    SELECT RAISE(ABORT, 'the audit record is append-only, without gaps');
END;

-- A payload sealed with a key that is gone cannot be written: the reference
-- finds a process that still remembers an erased key.
CREATE TABLE audit_payload (
    workspace TEXT    NOT NULL,
    seq       INTEGER NOT NULL,
    key       INTEGER NOT NULL REFERENCES subject_keys (id) ON DELETE CASCADE,
    sealed    BLOB    NOT NULL,
    PRIMARY KEY (workspace, seq)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER audit_payload_keep BEFORE UPDATE ON audit_payload
BEGIN
    SELECT RAISE(ABORT, 'the audit record is append-only');
END;

-- The hashes of the tree in the layout of golang.org/x/mod/sumdb/tlog.
CREATE TABLE audit_tree (
    workspace TEXT    NOT NULL,
    id        INTEGER NOT NULL,
    hash      BLOB    NOT NULL,
    PRIMARY KEY (workspace, id)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER audit_tree_keep_rows BEFORE DELETE ON audit_tree
BEGIN
    SELECT RAISE(ABORT, 'the audit record is append-only');
END;
CREATE TRIGGER audit_tree_keep_words BEFORE UPDATE ON audit_tree
BEGIN
    SELECT RAISE(ABORT, 'the audit record is append-only');
END;

-- Signed heads of the tree; the same lie in a file outside the database.
CREATE TABLE audit_checkpoints (
    workspace TEXT    NOT NULL,
    size      INTEGER NOT NULL,
    at        INTEGER NOT NULL,
    signed    TEXT    NOT NULL,
    PRIMARY KEY (workspace, size)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER audit_checkpoints_keep_rows BEFORE DELETE ON audit_checkpoints
BEGIN
    SELECT RAISE(ABORT, 'the audit record is append-only');
END;
CREATE TRIGGER audit_checkpoints_keep_words BEFORE UPDATE ON audit_checkpoints
BEGIN
    SELECT RAISE(ABORT, 'the audit record is append-only');
END;
