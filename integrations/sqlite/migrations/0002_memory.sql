-- What is remembered. A chunk's key is its item's seq * 65536 + its number in the
-- item, so an item's chunks lie together and neighbours have neighbouring keys.
CREATE TABLE memory_items (
	seq INTEGER PRIMARY KEY AUTOINCREMENT,
	workspace TEXT NOT NULL,
	id TEXT NOT NULL,
	kind TEXT NOT NULL,
	title TEXT NOT NULL,
	title_terms TEXT NOT NULL,
	source TEXT NOT NULL,
	author TEXT NOT NULL,
	author_name TEXT NOT NULL,
	place TEXT NOT NULL,
	label TEXT NOT NULL,
	-- scope is the reader scope of the label; '' means those in memory_readers.
	scope TEXT NOT NULL CHECK (scope IN ('', 'workspace', 'public')),
	-- Times are microseconds since 1970.
	at INTEGER NOT NULL,
	remembered INTEGER NOT NULL,
	slot TEXT NOT NULL,
	supersedes TEXT NOT NULL,
	superseded_by TEXT NOT NULL DEFAULT '',
	forgotten INTEGER,
	forgotten_by TEXT NOT NULL DEFAULT '',
	chunks INTEGER NOT NULL,
	UNIQUE (workspace, id)
);
CREATE INDEX memory_items_by_time ON memory_items (workspace, at DESC);
CREATE INDEX memory_items_by_slot ON memory_items (workspace, slot) WHERE slot <> '';

CREATE TABLE memory_readers (
	workspace TEXT NOT NULL,
	item INTEGER NOT NULL REFERENCES memory_items (seq) ON DELETE CASCADE,
	actor TEXT NOT NULL,
	PRIMARY KEY (item, actor)
) WITHOUT ROWID;
CREATE INDEX memory_readers_by_actor ON memory_readers (workspace, actor);

CREATE TABLE memory_chunks (
	key INTEGER PRIMARY KEY,
	kind TEXT NOT NULL,
	text TEXT NOT NULL,
	quote TEXT NOT NULL,
	speaker TEXT NOT NULL,
	-- speaker_words are the speaker's folded words with a space before and after each.
	speaker_words TEXT NOT NULL,
	position TEXT NOT NULL,
	-- at is the chunk's own time, NULL when it is the item's.
	at INTEGER,
	-- terms are what the chunk is found by, analysed by package memory.
	terms TEXT NOT NULL
);

-- The points of minutes, for when they are asked for.
CREATE INDEX memory_chunks_points ON memory_chunks (kind, key) WHERE kind IN ('decision', 'action', 'question');

-- The terms are analysed in Go; ascii takes each as one token, whatever its
-- script. Ranking happens in Go too, so only the rows are kept (detail=none).
CREATE VIRTUAL TABLE memory_index USING fts5 (
	terms, content='', contentless_delete=1, tokenize='ascii', detail=none
);

-- Few segments make queries quick; memories are read more often than written.
INSERT INTO memory_index (memory_index, rank) VALUES ('automerge', 2);

-- How much a workspace remembers, for the weights of rare words.
CREATE TABLE memory_corpus (
	workspace TEXT PRIMARY KEY,
	chunks INTEGER NOT NULL,
	terms INTEGER NOT NULL
) WITHOUT ROWID;
