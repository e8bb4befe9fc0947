-- works beside: 4
-- What is remembered. A chunk's key is its item's seq * 65536 + its number in the
-- item, so an item's chunks lie together and neighbours have neighbouring keys.
CREATE TABLE memory_items (
    seq           bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    workspace     text        NOT NULL,
    id            text        NOT NULL,
    kind          text        NOT NULL,
    title         text        NOT NULL,
    title_terms   text        NOT NULL,
    source        text        NOT NULL,
    author        text        NOT NULL,
    author_name   text        NOT NULL,
    place         text        NOT NULL,
    label         text        NOT NULL,
    -- scope is the reader scope of the label; '' means those in memory_readers.
    scope         text        NOT NULL CHECK (scope IN ('', 'workspace', 'public')),
    at            timestamptz NOT NULL,
    remembered    timestamptz NOT NULL,
    slot          text        NOT NULL,
    supersedes    text        NOT NULL,
    superseded_by text        NOT NULL DEFAULT '',
    forgotten     timestamptz,
    forgotten_by  text        NOT NULL DEFAULT '',
    chunks        bigint      NOT NULL,
    UNIQUE (workspace, id)
);
CREATE INDEX memory_items_by_time ON memory_items (workspace, at DESC, seq DESC);
CREATE INDEX memory_items_by_slot ON memory_items (workspace, slot) WHERE slot <> '';

CREATE TABLE memory_readers (
    workspace text   NOT NULL,
    item      bigint NOT NULL REFERENCES memory_items (seq) ON DELETE CASCADE,
    actor     text   NOT NULL,
    PRIMARY KEY (item, actor)
);
CREATE INDEX memory_readers_by_actor ON memory_readers (workspace, actor, item);

CREATE TABLE memory_chunks (
    key           bigint PRIMARY KEY,
    workspace     text   NOT NULL,
    -- kind is '' when it is the item's.
    kind          text   NOT NULL,
    text          text   NOT NULL,
    quote         text   NOT NULL,
    speaker       text   NOT NULL,
    -- speaker_words are the speaker's folded words with a space before and after each.
    speaker_words text   NOT NULL,
    position      text   NOT NULL,
    -- at is the chunk's own time, NULL when it is the item's.
    at            timestamptz,
    -- terms are what the chunk is found by, analysed by package memory.
    terms         text   NOT NULL
);
-- The points of minutes, for when they are asked for.
CREATE INDEX memory_chunks_points ON memory_chunks (workspace, kind, key) WHERE kind IN ('decision', 'action', 'question');

-- The terms again, each with its workspace's tag before it, for finding; ranking
-- happens in Go. A term is a term, so there is no parser and no dictionary.
CREATE TABLE memory_index (
    key       bigint   PRIMARY KEY,
    workspace text     NOT NULL,
    words     tsvector NOT NULL
);
CREATE INDEX memory_index_words ON memory_index USING gin (words);

-- How much a workspace remembers, for the weights of rare words.
CREATE TABLE memory_corpus (
    workspace text   PRIMARY KEY,
    chunks    bigint NOT NULL,
    terms     bigint NOT NULL
);

SELECT protect('memory_items', 'SELECT, INSERT, UPDATE, DELETE');
SELECT protect('memory_readers', 'SELECT, INSERT, DELETE');
SELECT protect('memory_chunks', 'SELECT, INSERT, DELETE');
SELECT protect('memory_corpus', 'SELECT, INSERT, UPDATE');

-- As ticket_words: added under a policy, asked through a function that is bound
-- to the workspace of the transaction.
SELECT protect('memory_index', 'INSERT');
ALTER TABLE memory_index NO FORCE ROW LEVEL SECURITY;

-- memory_match gives at most so many keys of chunks the query finds, in no order.
CREATE FUNCTION memory_match(query tsquery, most bigint) RETURNS SETOF bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
    SELECT key FROM memory_index WHERE words @@ query AND workspace = current_setting('sous.workspace', true) LIMIT most
$$;

REVOKE ALL ON FUNCTION memory_match FROM PUBLIC;
GRANT EXECUTE ON FUNCTION memory_match TO sous_app;
