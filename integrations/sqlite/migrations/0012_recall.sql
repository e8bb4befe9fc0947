-- The vectors of what is remembered, a generation for each embedding model, and
-- the queue of items that have none yet. Triggers keep all of it, so whatever
-- writes items cannot forget to.
CREATE TABLE memory_generations (
	id INTEGER PRIMARY KEY AUTOINCREMENT,
	model TEXT NOT NULL,
	dimension INTEGER NOT NULL,
	state TEXT NOT NULL CHECK (state IN ('building', 'current', 'retired')),
	created INTEGER NOT NULL
);
CREATE UNIQUE INDEX memory_generations_one ON memory_generations (state) WHERE state <> 'retired';

-- n orders vectors as they came, for the copy in memory: it reads what is new. It
-- is never used twice. A code is memory.Code.
CREATE TABLE memory_vectors (
	n INTEGER PRIMARY KEY AUTOINCREMENT,
	generation INTEGER NOT NULL,
	key INTEGER NOT NULL,
	code BLOB NOT NULL,
	UNIQUE (key, generation)
);

-- next is the first chunk of the item that is not embedded yet.
CREATE TABLE memory_queue (
	generation INTEGER NOT NULL REFERENCES memory_generations (id) ON DELETE CASCADE,
	item INTEGER NOT NULL REFERENCES memory_items (seq) ON DELETE CASCADE,
	next INTEGER NOT NULL DEFAULT 0,
	PRIMARY KEY (generation, item)
) WITHOUT ROWID;

-- An audience is a set of readers that items share; a scan passes over vectors by
-- its number.
CREATE TABLE memory_audiences (
	id INTEGER PRIMARY KEY,
	workspace TEXT NOT NULL,
	scope TEXT NOT NULL,
	readers TEXT NOT NULL,
	UNIQUE (workspace, readers)
);
CREATE TABLE memory_audience_readers (
	audience INTEGER NOT NULL REFERENCES memory_audiences (id) ON DELETE CASCADE,
	actor TEXT NOT NULL,
	PRIMARY KEY (actor, audience)
) WITHOUT ROWID;
ALTER TABLE memory_items ADD COLUMN audience INTEGER NOT NULL DEFAULT 0;
CREATE INDEX memory_items_by_audience ON memory_items (audience);

CREATE TRIGGER memory_items_inserted AFTER INSERT ON memory_items BEGIN
	INSERT INTO memory_audiences (workspace, scope, readers)
		SELECT NEW.workspace, NEW.scope, json_extract(NEW.label, '$.readers')
		WHERE NOT EXISTS (SELECT 1 FROM memory_audiences WHERE workspace = NEW.workspace AND readers = json_extract(NEW.label, '$.readers'));
	UPDATE memory_items SET audience = (SELECT id FROM memory_audiences WHERE workspace = NEW.workspace AND readers = json_extract(NEW.label, '$.readers'))
		WHERE seq = NEW.seq;
	INSERT INTO memory_audience_readers (audience, actor)
		SELECT DISTINCT i.audience, r.value FROM memory_items i, json_each(NEW.label, '$.readers') r WHERE i.seq = NEW.seq AND NEW.scope = ''
		AND NOT EXISTS (SELECT 1 FROM memory_audience_readers o WHERE o.audience = i.audience AND o.actor = r.value);
	INSERT INTO memory_queue (generation, item) SELECT id, NEW.seq FROM memory_generations WHERE state <> 'retired';
END;

CREATE TRIGGER memory_items_live AFTER UPDATE OF forgotten, superseded_by ON memory_items
WHEN NEW.forgotten IS NULL AND NEW.superseded_by = '' AND (OLD.forgotten IS NOT NULL OR OLD.superseded_by <> '') BEGIN
	INSERT INTO memory_queue (generation, item) SELECT g.id, NEW.seq FROM memory_generations g WHERE g.state <> 'retired'
		AND NOT EXISTS (SELECT 1 FROM memory_queue q WHERE q.generation = g.id AND q.item = NEW.seq);
END;

CREATE TRIGGER memory_items_dead AFTER UPDATE OF forgotten, superseded_by ON memory_items
WHEN (NEW.forgotten IS NOT NULL OR NEW.superseded_by <> '') AND OLD.forgotten IS NULL AND OLD.superseded_by = '' BEGIN
	DELETE FROM memory_queue WHERE item = NEW.seq;
	DELETE FROM memory_vectors WHERE key >= NEW.seq << 16 AND key < (NEW.seq + 1) << 16;
END;

CREATE TRIGGER memory_items_deleted AFTER DELETE ON memory_items BEGIN
	DELETE FROM memory_audiences WHERE id = OLD.audience AND NOT EXISTS (SELECT 1 FROM memory_items WHERE audience = OLD.audience);
END;

CREATE TRIGGER memory_chunks_deleted AFTER DELETE ON memory_chunks BEGIN
	DELETE FROM memory_vectors WHERE key = OLD.key;
END;

INSERT INTO memory_audiences (workspace, scope, readers)
	SELECT DISTINCT workspace, scope, json_extract(label, '$.readers') FROM memory_items;
UPDATE memory_items SET audience = (SELECT a.id FROM memory_audiences a
	WHERE a.workspace = memory_items.workspace AND a.readers = json_extract(memory_items.label, '$.readers'));
INSERT INTO memory_audience_readers (audience, actor)
	SELECT DISTINCT a.id, r.value FROM memory_audiences a, json_each(a.readers) r WHERE a.scope = '';
