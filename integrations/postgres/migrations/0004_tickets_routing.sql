-- works beside: 3
-- The built-in tracker.
CREATE TABLE tickets (
    workspace  text        NOT NULL,
    n          bigint      NOT NULL,
    title      text        NOT NULL,
    body       text        NOT NULL,
    status     text        NOT NULL CHECK (status IN ('open', 'in_progress', 'done', 'closed')),
    assignee   text        NOT NULL,
    labels     text        NOT NULL,
    due        text        NOT NULL,
    links      text        NOT NULL,
    created_by text        NOT NULL,
    created    timestamptz NOT NULL,
    updated    timestamptz NOT NULL,
    label      text        NOT NULL,
    PRIMARY KEY (workspace, n)
);
CREATE INDEX tickets_by_status ON tickets (workspace, status, n);

-- The words of title (A) and body (D); they are never edited. Each begins with
-- its workspace's tag, so a query walks the words of its own workspace.
CREATE TABLE ticket_words (
    workspace text     NOT NULL,
    n         bigint   NOT NULL,
    words     tsvector NOT NULL,
    PRIMARY KEY (workspace, n)
);
CREATE INDEX ticket_words_index ON ticket_words USING gin (words);

CREATE TABLE ticket_comments (
    workspace text        NOT NULL,
    ticket    bigint      NOT NULL,
    n         bigint      NOT NULL,
    author    text        NOT NULL,
    body      text        NOT NULL,
    at        timestamptz NOT NULL,
    retracted boolean     NOT NULL DEFAULT false,
    label     text        NOT NULL,
    PRIMARY KEY (workspace, ticket, n),
    FOREIGN KEY (workspace, ticket) REFERENCES tickets (workspace, n)
);

-- The history: rows are added, never changed.
CREATE TABLE ticket_changes (
    seq       bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    workspace text        NOT NULL,
    ticket    bigint      NOT NULL,
    by        text        NOT NULL,
    at        timestamptz NOT NULL,
    field     text        NOT NULL,
    was       text        NOT NULL,
    now       text        NOT NULL,
    reason    text        NOT NULL
);
CREATE INDEX ticket_changes_by_ticket ON ticket_changes (workspace, ticket, seq);

CREATE FUNCTION history_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the history of a ticket is not changed';
END $$;
CREATE TRIGGER ticket_changes_keep BEFORE UPDATE OR DELETE OR TRUNCATE ON ticket_changes FOR EACH STATEMENT EXECUTE FUNCTION history_stays();

-- What each idempotency key did first.
CREATE TABLE ticket_writes (
    workspace text NOT NULL,
    key       text NOT NULL,
    op        text NOT NULL,
    result    text NOT NULL,
    PRIMARY KEY (workspace, key)
);

-- Requests of which a person said what team they belong to.
CREATE TABLE routing_cases (
    workspace text        NOT NULL,
    n         bigint      NOT NULL,
    text      text        NOT NULL,
    team      text        NOT NULL,
    by        text        NOT NULL,
    at        timestamptz NOT NULL,
    removed   boolean     NOT NULL DEFAULT false,
    label     text        NOT NULL,
    PRIMARY KEY (workspace, n)
);

-- What each idempotency key did first; its rows also count the changes, so a
-- learner can tell whether it has seen them all.
CREATE TABLE routing_writes (
    workspace text NOT NULL,
    key       text NOT NULL,
    op        text NOT NULL,
    result    text NOT NULL,
    PRIMARY KEY (workspace, key)
);

SELECT protect('tickets', 'SELECT, INSERT, UPDATE');
SELECT protect('ticket_comments', 'SELECT, INSERT, UPDATE');
SELECT protect('ticket_changes', 'SELECT, INSERT');
SELECT protect('ticket_writes', 'SELECT, INSERT');
SELECT protect('routing_cases', 'SELECT, INSERT, UPDATE');
SELECT protect('routing_writes', 'SELECT, INSERT');

-- PostgreSQL uses no text index below a policy: the match might see rows the
-- policy hides. So the application adds words under a policy, has no right to
-- read them, and asks through a function that is bound to the workspace of the
-- transaction. The function is the owner's, and the owner is not forced here.
SELECT protect('ticket_words', 'INSERT');
ALTER TABLE ticket_words NO FORCE ROW LEVEL SECURITY;

CREATE FUNCTION ticket_match(query tsquery) RETURNS TABLE (ticket bigint, rank real)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
    SELECT n, ts_rank('{0.33, 0.33, 0.33, 1}', words, query, 1) FROM ticket_words
    WHERE words @@ query AND workspace = current_setting('sous.workspace', true)
$$;
REVOKE ALL ON FUNCTION ticket_match FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ticket_match TO sous_app;
