-- works beside: 1
-- The record: rows hold commitments in place of their payload, payloads lie
-- sealed beside them, and a Merkle tree grows over the rows.

-- The number of the last row of each workspace. Whoever writes in a workspace
-- holds this row locked until the end of the transaction, so writers of one
-- workspace follow each other, in every process.
CREATE TABLE audit_heads (
    workspace text   PRIMARY KEY,
    seq       bigint NOT NULL
);

-- That the right KEK is at hand: a text only it can open.
CREATE TABLE keyring_check (
    id    int   PRIMARY KEY CHECK (id = 1),
    proof bytea NOT NULL
);

-- The key of each data subject, wrapped by the KEK, which is not in the
-- database. A row deleted here is an erasure; ids are never used twice.
CREATE TABLE subject_keys (
    id        bigint      PRIMARY KEY,
    workspace text        NOT NULL,
    subject   text        NOT NULL,
    wrapped   bytea       NOT NULL,
    made      timestamptz NOT NULL,
    UNIQUE (workspace, subject)
);

CREATE TABLE audit (
    workspace text        NOT NULL,
    seq       bigint      NOT NULL,
    -- at is in microseconds since 1970, as it is hashed.
    at        bigint      NOT NULL,
    kind      text        NOT NULL,
    actor     text        NOT NULL,
    -- subject is whose key seals the payload; key is its id, 0 without payload.
    subject   text        NOT NULL,
    key       bigint      NOT NULL,
    turn      text        NOT NULL,
    call      text        NOT NULL,
    tool      text        NOT NULL,
    tier      bigint,
    ruling    text        NOT NULL,
    rule      text        NOT NULL,
    approval  text        NOT NULL,
    status    text        NOT NULL,
    -- Commitments under the subject's key: HMAC-SHA256.
    args      bytea,
    note      bytea,
    digest    bytea,
    fields    bytea,
    PRIMARY KEY (workspace, seq)
);
CREATE INDEX audit_turn ON audit (workspace, turn, seq) WHERE turn <> '';
CREATE INDEX audit_approval ON audit (workspace, approval, seq) WHERE approval <> '';

-- A payload sealed with a key that is gone cannot be written: the reference
-- finds a process that still remembers an erased key.
CREATE TABLE audit_payload (
    workspace text   NOT NULL,
    seq       bigint NOT NULL,
    key       bigint NOT NULL REFERENCES subject_keys (id) ON DELETE CASCADE,
    sealed    bytea  NOT NULL,
    PRIMARY KEY (workspace, seq)
);
CREATE INDEX audit_payload_key ON audit_payload (key);

-- The hashes of the tree in the layout of golang.org/x/mod/sumdb/tlog.
CREATE TABLE audit_tree (
    workspace text   NOT NULL,
    id        bigint NOT NULL,
    hash      bytea  NOT NULL,
    PRIMARY KEY (workspace, id)
);

-- Signed heads of the tree; the same lie in a file outside the database.
CREATE TABLE audit_checkpoints (
    workspace text        NOT NULL,
    size      bigint      NOT NULL,
    at        timestamptz NOT NULL,
    signed    text        NOT NULL,
    PRIMARY KEY (workspace, size)
);

-- Rows are added and stay. The application has no right to do otherwise; these
-- hold for the owner and for administrators too, until somebody drops them, and
-- then the signed tree tells.
CREATE FUNCTION audit_stays() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    RAISE EXCEPTION 'the audit record is append-only';
END $$;
CREATE TRIGGER audit_keep BEFORE UPDATE OR DELETE OR TRUNCATE ON audit FOR EACH STATEMENT EXECUTE FUNCTION audit_stays();
CREATE TRIGGER audit_payload_keep BEFORE UPDATE ON audit_payload FOR EACH STATEMENT EXECUTE FUNCTION audit_stays();
CREATE TRIGGER audit_tree_keep BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_tree FOR EACH STATEMENT EXECUTE FUNCTION audit_stays();
CREATE TRIGGER audit_checkpoints_keep BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_checkpoints FOR EACH STATEMENT EXECUTE FUNCTION audit_stays();

-- A row comes right after the last one.
CREATE FUNCTION audit_follows() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF NEW.seq IS DISTINCT FROM (SELECT COALESCE(MAX(seq), 0) + 1 FROM audit WHERE workspace = NEW.workspace) THEN
        RAISE EXCEPTION 'the audit record is append-only, without gaps';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER audit_append BEFORE INSERT ON audit FOR EACH ROW EXECUTE FUNCTION audit_follows();
