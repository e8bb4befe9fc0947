-- works beside: 0
-- What every turn needs. JSON is text, kept as it was given; NULL stands for
-- "not yet" alone. The workspace leads every key, so no query can miss it and
-- stay fast.
--
-- Who may do what. Migrations run as whoever connects: the owner. All work is
-- done under one of three roles, taken for one transaction at a time:
--   sous_app      works in the workspace of its transaction and no other
--   sous_watch    reads across workspaces what a starting process looks after
--   sous_auditor  reads the audit record of the workspace of its transaction;
--                 grant it to the people who audit
-- A table without a policy for a role shows that role nothing. FORCE puts the
-- owner under the policies too, who has none: work without a role sees nothing.

CREATE TABLE conversations (
    workspace text        NOT NULL,
    id        text        NOT NULL,
    title     text        NOT NULL,
    place     text        NOT NULL,
    -- open: every full member takes part; else those in conversation_members.
    open      boolean     NOT NULL,
    last      timestamptz NOT NULL,
    PRIMARY KEY (workspace, id)
);
CREATE INDEX conversations_open ON conversations (workspace, last, id) WHERE open;

CREATE TABLE conversation_members (
    workspace    text NOT NULL,
    actor        text NOT NULL,
    conversation text NOT NULL,
    PRIMARY KEY (workspace, actor, conversation)
);
CREATE INDEX conversation_members_of ON conversation_members (workspace, conversation);

CREATE TABLE messages (
    workspace    text        NOT NULL,
    id           text        NOT NULL,
    conversation text        NOT NULL,
    -- seq orders the messages of a conversation, from 1.
    seq          bigint      NOT NULL,
    turn         text        NOT NULL,
    author       text        NOT NULL,
    text         text        NOT NULL,
    files        text        NOT NULL,
    label        text        NOT NULL,
    at           timestamptz NOT NULL,
    PRIMARY KEY (workspace, id)
);
CREATE UNIQUE INDEX messages_order ON messages (workspace, conversation, seq);

CREATE TABLE turns (
    workspace     text        NOT NULL,
    id            text        NOT NULL,
    conversation  text        NOT NULL,
    -- seq orders the turns of a workspace, and so those of a conversation.
    seq           bigint      NOT NULL,
    place         text        NOT NULL,
    actor         text        NOT NULL,
    actor_id      text        NOT NULL,
    request       text        NOT NULL,
    ordered       text,
    status        text        NOT NULL,
    -- question is what the turn waits to be told, '' when nothing.
    question      text        NOT NULL DEFAULT '',
    answer        text        NOT NULL DEFAULT '',
    prompt        text        NOT NULL DEFAULT '',
    model         text        NOT NULL DEFAULT '',
    degraded      text        NOT NULL DEFAULT '',
    input_tokens  bigint      NOT NULL DEFAULT 0,
    output_tokens bigint      NOT NULL DEFAULT 0,
    artifacts     text        NOT NULL DEFAULT 'null',
    created       timestamptz NOT NULL,
    ended         timestamptz,
    PRIMARY KEY (workspace, id)
);
CREATE UNIQUE INDEX turns_order ON turns (workspace, seq);
CREATE INDEX turns_of ON turns (workspace, conversation, seq);
-- The few that are not over: claiming, and looking after at start.
CREATE INDEX turns_open ON turns (workspace, conversation, status, seq) WHERE ended IS NULL;
CREATE INDEX turns_asking ON turns (workspace, conversation, actor_id, seq) WHERE question <> '';

-- Events that answered a turn's question instead of starting one.
CREATE TABLE replies (
    workspace text NOT NULL,
    event     text NOT NULL,
    turn      text NOT NULL,
    PRIMARY KEY (workspace, event)
);

CREATE TABLE steps (
    workspace text        NOT NULL,
    turn      text        NOT NULL,
    n         bigint      NOT NULL,
    kind      text        NOT NULL,
    title     text        NOT NULL,
    tool      text        NOT NULL,
    status    text        NOT NULL,
    detail    text        NOT NULL,
    at        timestamptz NOT NULL,
    PRIMARY KEY (workspace, turn, n)
);

CREATE TABLE signals (
    workspace text   NOT NULL,
    turn      text   NOT NULL,
    topic     text   NOT NULL,
    n         bigint NOT NULL,
    body      text   NOT NULL,
    PRIMARY KEY (workspace, turn, topic, n)
);

CREATE TABLE files (
    workspace text        NOT NULL,
    id        text        NOT NULL,
    name      text        NOT NULL,
    media     text        NOT NULL,
    owner     text        NOT NULL,
    label     text        NOT NULL,
    at        timestamptz NOT NULL,
    content   bytea       NOT NULL,
    PRIMARY KEY (workspace, id)
);
-- Most files are compressed already.
ALTER TABLE files ALTER COLUMN content SET STORAGE EXTERNAL;

CREATE TABLE approvals (
    workspace text        NOT NULL,
    id        text        NOT NULL,
    turn      text        NOT NULL,
    state     text        NOT NULL,
    created   timestamptz NOT NULL,
    -- body is the approval as JSON; the columns above are for finding it.
    body      text        NOT NULL,
    PRIMARY KEY (workspace, id)
);
CREATE INDEX approvals_state ON approvals (workspace, state, created, id);
CREATE INDEX approvals_turn ON approvals (workspace, turn, created, id);

-- The yeses an approval has got. person is the human behind the account, so
-- nobody counts twice, whatever the code does; body is the vote as JSON.
CREATE TABLE approval_votes (
    workspace text   NOT NULL,
    approval  text   NOT NULL,
    person    text   NOT NULL,
    -- n orders the votes of an approval, from 1.
    n         bigint NOT NULL,
    body      text   NOT NULL,
    PRIMARY KEY (workspace, approval, person)
);

-- The ledger: a row is made before an effect is tried and settled after it.
CREATE TABLE effects (
    workspace  text        NOT NULL,
    key        text        NOT NULL,
    -- n orders the effects of all turns, seq those of one, from 1.
    n          bigint      GENERATED ALWAYS AS IDENTITY,
    seq        bigint      NOT NULL,
    turn       text        NOT NULL,
    call       text        NOT NULL,
    digest     text        NOT NULL,
    tier       bigint      NOT NULL,
    state      text        NOT NULL,
    approval   text        NOT NULL,
    outcome    text,
    undo_tool  text        NOT NULL DEFAULT '',
    undo_args  text,
    -- undo_until ends the offer to take it back.
    undo_until timestamptz,
    intended   timestamptz NOT NULL,
    settled    timestamptz,
    -- The fence rises with every attempt and every decision on the effect; what
    -- an older attempt has to say is refused.
    fence      bigint      NOT NULL DEFAULT 1,
    attempts   bigint      NOT NULL DEFAULT 1,
    -- resolution is what a person found out about an unknown effect, as JSON.
    resolution text,
    PRIMARY KEY (workspace, key)
);
-- A key comes from a digest over the workspace, so it names one effect of all.
CREATE UNIQUE INDEX effects_key ON effects (key);
CREATE UNIQUE INDEX effects_turn ON effects (workspace, turn, seq);
CREATE INDEX effects_newest ON effects (workspace, n);
-- Whatever the code does, one approval carries one effect.
CREATE UNIQUE INDEX effects_approval ON effects (workspace, approval) WHERE approval <> '';
-- The few that wait for an outcome or a person.
CREATE INDEX effects_open ON effects (workspace, state, intended) WHERE state IN ('intent', 'unknown');

-- What people have stopped. A row is in force from its commit to its end; at is
-- in microseconds since 1970.
CREATE TABLE pauses (
    workspace text   NOT NULL,
    scope     text   NOT NULL,
    target    text   NOT NULL,
    by        text   NOT NULL,
    name      text   NOT NULL,
    reason    text   NOT NULL,
    at        bigint NOT NULL,
    PRIMARY KEY (workspace, scope, target)
);
