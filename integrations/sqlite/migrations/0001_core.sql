-- What every turn needs. Times are microseconds since 1970 in UTC; JSON is
-- text; NULL stands for "not yet" alone. The workspace leads every key, so no
-- query can miss it and stay fast.

CREATE TABLE conversations (
    workspace TEXT    NOT NULL,
    id        TEXT    NOT NULL,
    title     TEXT    NOT NULL,
    place     TEXT    NOT NULL,
    -- open: every full member takes part; else those in conversation_members.
    open      INTEGER NOT NULL,
    last      INTEGER NOT NULL,
    PRIMARY KEY (workspace, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX conversations_open ON conversations (workspace, last) WHERE open = 1;

CREATE TABLE conversation_members (
    workspace    TEXT NOT NULL,
    actor        TEXT NOT NULL,
    conversation TEXT NOT NULL,
    PRIMARY KEY (workspace, actor, conversation)
) STRICT, WITHOUT ROWID;
CREATE INDEX conversation_members_of ON conversation_members (workspace, conversation);

CREATE TABLE messages (
    workspace    TEXT    NOT NULL,
    id           TEXT    NOT NULL,
    conversation TEXT    NOT NULL,
    -- seq orders the messages of a conversation, from 1.
    seq          INTEGER NOT NULL,
    turn         TEXT    NOT NULL,
    author       TEXT    NOT NULL,
    text         TEXT    NOT NULL,
    files        TEXT    NOT NULL,
    label        TEXT    NOT NULL,
    at           INTEGER NOT NULL,
    PRIMARY KEY (workspace, id)
) STRICT;
CREATE UNIQUE INDEX messages_order ON messages (workspace, conversation, seq);

CREATE TABLE turns (
    workspace     TEXT    NOT NULL,
    id            TEXT    NOT NULL,
    conversation  TEXT    NOT NULL,
    -- seq orders the turns of a workspace, and so those of a conversation.
    seq           INTEGER NOT NULL,
    place         TEXT    NOT NULL,
    actor         TEXT    NOT NULL,
    actor_id      TEXT    NOT NULL,
    request       TEXT    NOT NULL,
    ordered       TEXT,
    status        TEXT    NOT NULL,
    -- question is what the turn waits to be told, '' when nothing.
    question      TEXT    NOT NULL DEFAULT '',
    answer        TEXT    NOT NULL DEFAULT '',
    prompt        TEXT    NOT NULL DEFAULT '',
    model         TEXT    NOT NULL DEFAULT '',
    degraded      TEXT    NOT NULL DEFAULT '',
    input_tokens  INTEGER NOT NULL DEFAULT 0,
    output_tokens INTEGER NOT NULL DEFAULT 0,
    artifacts     TEXT    NOT NULL DEFAULT 'null',
    created       INTEGER NOT NULL,
    ended         INTEGER,
    PRIMARY KEY (workspace, id)
) STRICT;
CREATE UNIQUE INDEX turns_order ON turns (workspace, seq);
CREATE INDEX turns_of ON turns (workspace, conversation, seq);
-- The few that are not over: claiming, and looking after at start.
CREATE INDEX turns_open ON turns (workspace, conversation, status, seq) WHERE ended IS NULL;
CREATE INDEX turns_asking ON turns (workspace, conversation, actor_id, seq) WHERE question <> '';

-- Events that answered a turn's question instead of starting one.
CREATE TABLE replies (
    workspace TEXT NOT NULL,
    event     TEXT NOT NULL,
    turn      TEXT NOT NULL,
    PRIMARY KEY (workspace, event)
) STRICT, WITHOUT ROWID;

CREATE TABLE steps (
    workspace TEXT    NOT NULL,
    turn      TEXT    NOT NULL,
    n         INTEGER NOT NULL,
    kind      TEXT    NOT NULL,
    title     TEXT    NOT NULL,
    tool      TEXT    NOT NULL,
    status    TEXT    NOT NULL,
    detail    TEXT    NOT NULL,
    at        INTEGER NOT NULL,
    PRIMARY KEY (workspace, turn, n)
) STRICT, WITHOUT ROWID;

CREATE TABLE signals (
    workspace TEXT    NOT NULL,
    turn      TEXT    NOT NULL,
    topic     TEXT    NOT NULL,
    n         INTEGER NOT NULL,
    body      TEXT    NOT NULL,
    PRIMARY KEY (workspace, turn, topic, n)
) STRICT, WITHOUT ROWID;

CREATE TABLE files (
    workspace TEXT    NOT NULL,
    id        TEXT    NOT NULL,
    name      TEXT    NOT NULL,
    media     TEXT    NOT NULL,
    owner     TEXT    NOT NULL,
    label     TEXT    NOT NULL,
    at        INTEGER NOT NULL,
    content   BLOB    NOT NULL,
    PRIMARY KEY (workspace, id)
) STRICT;

CREATE TABLE approvals (
    workspace TEXT    NOT NULL,
    id        TEXT    NOT NULL,
    turn      TEXT    NOT NULL,
    state     TEXT    NOT NULL,
    created   INTEGER NOT NULL,
    -- body is the approval as JSON; the columns above are for finding it.
    body      TEXT    NOT NULL,
    PRIMARY KEY (workspace, id)
) STRICT;
CREATE INDEX approvals_state ON approvals (workspace, state, created, id);
CREATE INDEX approvals_turn ON approvals (workspace, turn, created, id);

-- The ledger: a row is made before an effect is tried and settled after it.
CREATE TABLE effects (
    workspace TEXT    NOT NULL,
    key       TEXT    NOT NULL,
    -- seq orders the effects of a turn, from 1.
    seq       INTEGER NOT NULL,
    turn      TEXT    NOT NULL,
    call      TEXT    NOT NULL,
    digest    TEXT    NOT NULL,
    tier      INTEGER NOT NULL,
    state     TEXT    NOT NULL,
    approval  TEXT    NOT NULL,
    outcome   TEXT,
    undo_tool TEXT    NOT NULL DEFAULT '',
    undo_args TEXT,
    intended  INTEGER NOT NULL,
    settled   INTEGER,
    PRIMARY KEY (workspace, key)
) STRICT;
-- A key comes from a digest over the workspace, so it names one effect of all.
CREATE UNIQUE INDEX effects_key ON effects (key);
CREATE UNIQUE INDEX effects_turn ON effects (workspace, turn, seq);
-- Whatever the code does, one approval carries one effect.
CREATE UNIQUE INDEX effects_approval ON effects (workspace, approval) WHERE approval <> '';

CREATE TABLE audit (
    workspace TEXT    NOT NULL,
    seq       INTEGER NOT NULL,
    at        INTEGER NOT NULL,
    kind      TEXT    NOT NULL,
    actor     TEXT    NOT NULL,
    turn      TEXT    NOT NULL,
    call      TEXT    NOT NULL,
    tool      TEXT    NOT NULL,
    tier      INTEGER,
    digest    TEXT    NOT NULL,
    ruling    TEXT    NOT NULL,
    rule      TEXT    NOT NULL,
    approval  TEXT    NOT NULL,
    status    TEXT    NOT NULL,
    args      TEXT,
    note      TEXT    NOT NULL,
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
